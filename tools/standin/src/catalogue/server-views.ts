/** Server-wide settings, principals, volumes and files (sqlserver.md §4.2). */
import { statfsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseResultColumns } from '../engine/table-text.ts';
import { serverFolder } from '../engine/host-paths.ts';
import type { Engine, VirtualTable, VirtualTableFunction } from '../contract.ts';
import { moment, shape, view } from './view.ts';

export function serverViews(engine: Engine): readonly VirtualTable[] {
  return [
    view(
      'sys.server_principals',
      `name sysname, principal_id int not null, sid varbinary(85), type char(1) not null, type_desc nvarchar(60), is_disabled bit,
       create_date datetime not null, modify_date datetime not null`,
      () =>
        engine.logins().map((login, index) => ({
          name: login.name,
          principal_id: BigInt(index + 1),
          sid: login.sid,
          type: login.windows === true ? 'U' : 'S',
          type_desc: login.windows === true ? 'WINDOWS_LOGIN' : 'SQL_LOGIN',
          is_disabled: false,
          create_date: moment(new Date(0)),
          modify_date: moment(new Date(0)),
        })),
    ),
  ];
}

const volumeColumns =
  parseResultColumns(`database_id int, file_id int, volume_mount_point nvarchar(512), volume_id nvarchar(512),
  logical_volume_name nvarchar(512), file_system_type nvarchar(512), total_bytes bigint, available_bytes bigint,
  supports_compression tinyint, supports_alternate_streams tinyint, supports_sparse_files tinyint, is_read_only tinyint, is_compressed tinyint`);
const existsColumns = parseResultColumns(
  'file_exists int not null, file_is_a_directory int not null, parent_directory_exists int not null',
);

export function serverFunctions(engine: Engine): readonly VirtualTableFunction[] {
  const spaceOf = spaceReader(engine);
  return [
    {
      schema: 'sys',
      name: 'dm_os_volume_stats',
      columns: volumeColumns,
      // At once, not as a promise: CROSS APPLY calls it for each row of a query that is already running.
      rows: (_session, [database, file]) => {
        const found = engine.databaseById(Number(database?.value ?? 0));
        // Of a database that cannot be read nothing is known (sqlserver.md §4.2).
        if (found?.state !== 'ONLINE') return [];
        const place = found.files.find(each => BigInt(each.fileId) === file?.value)?.physicalName;
        const host = place === undefined ? undefined : engine.hostPath(place);
        if (place === undefined || host === undefined) return [];
        const { totalBytes, availableBytes } = spaceOf(dirname(host));
        return shape(volumeColumns, [
          {
            database_id: database?.value ?? null,
            file_id: file?.value ?? null,
            volume_mount_point: /^[A-Za-z]:/.test(place) ? place.slice(0, 3) : `${serverFolder(place)}\\`,
            volume_id: '',
            logical_volume_name: '',
            file_system_type: 'NTFS',
            total_bytes: totalBytes,
            available_bytes: availableBytes,
            supports_compression: 1n,
            supports_alternate_streams: 1n,
            supports_sparse_files: 1n,
            is_read_only: 0n,
            is_compressed: 0n,
          },
        ]);
      },
    },
    {
      schema: 'sys',
      name: 'dm_os_file_exists',
      columns: existsColumns,
      rows: async (_session, [path]) => [await fileExists(engine, typeof path?.value === 'string' ? path.value : '')],
    },
  ];
}

type Space = { readonly totalBytes: bigint; readonly availableBytes: bigint };

/** One query sees one answer per folder: `DISTINCT` over the files of a volume would otherwise give a row for each change of its free space. */
function spaceReader(engine: Engine): (folder: string) => Space {
  const known = new Map<string, Space>();
  return folder => {
    const kept = known.get(folder);
    if (kept !== undefined) return kept;
    const { diskQuota } = engine;
    const space = diskQuota === undefined ? diskSpace(folder) : quotaSpace(diskQuota);
    if (known.size === 0) setImmediate(() => known.clear());
    known.set(folder, space);
    return space;
  };
}

function diskSpace(folder: string): Space {
  const { blocks, bavail, bsize } = statfsSync(folder, { bigint: true });
  return { totalBytes: blocks * bsize, availableBytes: bavail * bsize };
}

function quotaSpace(quota: NonNullable<Engine['diskQuota']>): Space {
  return { totalBytes: quota.limitBytes, availableBytes: quota.availableBytes() };
}

/** file exists (and is a file) · is a folder · its folder exists. Where a fault keeps the engine out nothing is seen (unverified for error 5). */
export async function fileExists(engine: Engine, path: string): Promise<readonly [bigint, bigint, bigint]> {
  const host = engine.hostPath(path);
  if (host === undefined || engine.faults.media.pathError(path) !== undefined) return [0n, 0n, 0n];
  const [found, folder] = await Promise.all([kindOf(host), kindOf(dirname(host))]);
  return [found === 'file' ? 1n : 0n, found === 'folder' ? 1n : 0n, folder === 'folder' ? 1n : 0n];
}

function kindOf(path: string): Promise<'file' | 'folder' | 'nothing'> {
  return stat(path).then(
    found => (found.isDirectory() ? 'folder' : 'file'),
    () => 'nothing',
  );
}
