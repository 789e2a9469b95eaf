import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireMarkName } from '@holdfast/domain';
import {
  eventCodec,
  groupObserved,
  instanceAddressed,
  type PayloadOf,
  recoveryPointJudged,
  setQualified,
  sqlInstanceRegistered,
} from '@holdfast/events';
import {
  type Bus,
  createOutbox,
  createRelay,
  eventLogOf,
  messagingMigrations,
  type MessagingTables,
} from '@holdfast/messaging';
import { discoveredId, newId } from '@holdfast/service';
import { openServer, type SqlServer } from '@holdfast/sqlserver';
import { observeHeaders, observeMarks } from '@holdfast/sqlserver/observe';
import { startTestServer, type TestServer } from '@holdfast/sqlserver/testing';
import { temporaryStore } from '@holdfast/store/testing';

const database = 'BizTalkMgmtDb';
const databaseId = discoveredId('database', database);
const primary = { instanceId: discoveredId('instance', 'PRIMARY'), name: 'PRIMARY', productVersion: '16.0.1000.6' };
const standby = { instanceId: discoveredId('instance', 'STANDBY'), name: 'STANDBY', productVersion: '16.0.1000.6' };

export const sourceId = primary.instanceId;
export const groupId = discoveredId('group', 'Orders');
export const groupName = 'Orders';
export const standbyInstances = (folder: string) => [
  {
    instanceId: standby.instanceId,
    sourceInstances: [primary.name],
    transfer: {
      kind: 'COPY',
      folders: [
        {
          source: 'D:\\Backup',
          sourceInstance: primary.name,
          read: join(folder, 'backups'),
          write: join(folder, 'copies'),
          standby: 'E:\\Copies',
        },
      ],
    },
  },
];

type SetPayload = PayloadOf<typeof setQualified>;

/** A group of one database on one instance, its backups, an empty standby instance, and everything that inventory and backup say of them. */
export async function startSmallEstate(bus: Bus) {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-one-trace-'));
  const [source, target] = await Promise.all([
    startInstance('primary', folder, { 'D:\\Backup': join(folder, 'backups') }),
    startInstance('standby', folder, { 'E:\\Copies': join(folder, 'copies') }),
  ]);
  const sets = await takeBackups(source);
  const others = await publish(bus, sets, { source, target });
  const env = {
    PRIMARY_USER: source.credentials.user,
    PRIMARY_PASSWORD: source.credentials.password,
    STANDBY_USER: target.credentials.user,
    STANDBY_PASSWORD: target.credentials.password,
  };
  return {
    folder,
    env,
    newestMark: String(sets.at(-1)?.markName),
    losePrimary: () => source.close(),
    async close() {
      await others.close();
      await Promise.all([source.close(), target.close()]);
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function startInstance(
  role: 'primary' | 'standby',
  folder: string,
  shares: Readonly<Record<string, string>>,
): Promise<TestServer> {
  const data = join(folder, `${role}-data`);
  const dataFolder = join(folder, role);
  for (const made of [data, dataFolder, ...Object.values(shares)]) await mkdir(made, { recursive: true });
  return startTestServer(role, { name: role.toUpperCase(), dataFolder, maps: { ...shares, 'D:\\Data': data } }, {});
}

/** A full and two logs with their marks. */
async function takeBackups({ address, credentials }: TestServer): Promise<SetPayload[]> {
  const server = await openServer({ address, credentials, applicationName: 'holdfast-suite', clock: Date.now });
  const run = (text: string) =>
    server.query({ ...ownStatement, text: () => text, inputs: {}, columns: {}, example: {} }, {});
  await run(`CREATE DATABASE [${database}];`);
  await run(`CREATE TABLE [${database}].dbo.MarkLog (MarkName nvarchar(128) NOT NULL);`);
  const sets: SetPayload[] = [];
  for (const number of [1, 2, 3]) {
    const path = `D:\\Backup\\${String(number)}.bak`;
    const mark = number === 1 ? null : `BTS_${String(number)}`;
    if (mark !== null)
      await run(
        `BEGIN TRAN [${mark}] WITH MARK N'BTS'; INSERT [${database}].dbo.MarkLog (MarkName) VALUES (N'${mark}'); COMMIT TRAN;`,
      );
    await run(`BACKUP ${mark === null ? 'DATABASE' : 'LOG'} [${database}] TO DISK = N'${path}';`);
    sets.push(await setOf(server, number, path, mark));
  }
  await server.close();
  return sets;
}

const ownStatement = {
  name: 'suite',
  purpose: 'test',
  documentation: 'none',
  repeat: 'unsafe',
  channel: 'batch',
  duration: 'short',
} as const;

async function setOf(server: SqlServer, number: number, path: string, mark: string | null): Promise<SetPayload> {
  const [header] = (await observeHeaders(server, { path, majorVersion: 16 })).headers;
  if (header === undefined) throw new Error(`no header in ${path}`);
  const marks = mark === null ? [] : (await observeMarks(server, [requireMarkName(mark)])).marks;
  const { backupSetUuid, familyGuid, lastForkGuid, firstLsn, lastLsn, checkpointLsn, databaseBackupLsn } = header;
  const { hasChecksums, backupSize: size, isCopyOnly: copyOnly } = header;
  const startedAt = new Date().toISOString();
  return {
    setId: discoveredId('set', String(number)),
    groupId,
    version: 1,
    number: String(number),
    type: mark === null ? 'FULL' : 'LOG',
    markName: mark,
    startedAtRecorded: startedAt.slice(0, 19),
    timeBasis: 'UTC',
    startedAt,
    state: 'VERIFIED',
    reasons: [],
    files: [
      {
        fileId: discoveredId('file', String(number)),
        databaseId,
        databaseName: database,
        sourceInstanceId: primary.instanceId,
        sourceInstance: primary.name,
        path,
        position: 1,
        state: 'VERIFIED',
        reasons: [],
        markLsn: marks[0]?.lsn ?? null,
        header: {
          backupSetUuid,
          familyGuid,
          firstForkGuid: header.firstForkGuid ?? lastForkGuid,
          lastForkGuid,
          firstLsn,
          lastLsn,
          checkpointLsn,
          databaseBackupLsn,
          size,
          hasChecksums,
          copyOnly,
          finishedAtRecorded: header.finishedAt.recorded,
        },
      },
    ],
  };
}

async function publish(
  bus: Bus,
  sets: readonly SetPayload[],
  { source, target }: { readonly source: TestServer; readonly target: TestServer },
) {
  const temporary = await temporaryStore<MessagingTables>([messagingMigrations]);
  const { store } = temporary;
  const contracts = [groupObserved, instanceAddressed, sqlInstanceRegistered, setQualified, recoveryPointJudged];
  const outbox = createOutbox({ service: 'others', codec: eventCodec, clock: Date.now, newId });
  const topics = [...new Set(contracts.map(({ topic }) => topic))];
  await bus.register({ name: 'others', topics, log: eventLogOf(store) });
  const relay = createRelay({ store, bus, service: 'others', publishes: contracts, clock: Date.now });
  await relay.start();
  await store.transaction(async tx => {
    for (const [instance, { address }] of [[primary, source] as const, [standby, target] as const]) {
      const { instanceId, name, productVersion } = instance;
      const known = { instanceId, version: 1, serverName: name };
      await outbox.append(tx, sqlInstanceRegistered, { ...known, name, site: 'Cork', productVersion });
      const references = { userRef: `env:${name}_USER`, passwordRef: `env:${name}_PASSWORD` };
      await outbox.append(tx, instanceAddressed, { ...known, address: { ...address, ...references } });
    }
    await outbox.append(tx, groupObserved, {
      groupId,
      version: 1,
      name: groupName,
      site: 'Dublin',
      observedAt: new Date().toISOString(),
      managementDatabaseId: databaseId,
      instances: [{ ...primary, serverName: primary.name }],
      databases: [
        {
          databaseId,
          name: database,
          role: 'OTHER',
          instanceId: primary.instanceId,
          inBackupJob: true,
          state: 'ONLINE',
          recoveryModel: 'FULL',
        },
      ],
    });
    for (const set of sets) {
      await outbox.append(tx, setQualified, set);
      if (set.markName !== null) await outbox.append(tx, recoveryPointJudged, pointOf(set, set.markName));
    }
  });
  return {
    async close() {
      await relay.stop();
      await temporary.remove();
    },
  };
}

function pointOf({ setId, startedAt, files }: SetPayload, markName: string): PayloadOf<typeof recoveryPointJudged> {
  return {
    recoveryPointId: discoveredId('recovery-point', markName),
    groupId,
    setId,
    version: 1,
    markName,
    markedAt: startedAt,
    verdict: 'SOUND',
    reasons: [],
    databases: files.map(({ markLsn: lsn }) => ({
      databaseId,
      databaseName: database,
      lsn,
      markProven: true,
      verdict: 'SOUND',
    })),
  };
}
