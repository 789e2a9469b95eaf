/** The lies about files (tech/standin.md, Staying honest 5): BACKUP has succeeded, and then something happens to what it wrote. */
import { open, rm, type FileHandle } from 'node:fs/promises';
import { defaultPaths, type Instance } from '../engine/instance.ts';
import { contentPlace, readMedia, wholePath } from './media.ts';
import type { BackupStatement } from '../contract.ts';
import type { Damage } from '../faults/media-faults.ts';

export async function spoil(instance: Instance, statement: BackupStatement): Promise<void> {
  const [device] = statement.devices;
  const database = instance.find(statement.database)?.name ?? statement.database;
  const path = wholePath(device?.path ?? '', defaultPaths.backup);
  const kind = statement.kind === 'log' ? 'log' : statement.options.differential === true ? 'differential' : 'full';
  const damage = instance.faults.media.damage({ path, database, kind });
  const host = damage === undefined ? undefined : instance.hostPath(path);
  if (damage === undefined || host === undefined) return;
  if (damage.kind === 'remove') {
    await rm(host);
    return;
  }
  const place = damage.kind === 'flip' ? contentPlace(await readMedia(host, path)) : undefined;
  const file = await open(host, 'r+');
  try {
    await change(file, damage, place);
  } finally {
    await file.close();
  }
}

async function change(
  file: FileHandle,
  damage: Exclude<Damage, { readonly kind: 'remove' }>,
  place?: number,
): Promise<void> {
  switch (damage.kind) {
    case 'empty':
      return file.truncate(0);
    case 'cut': {
      const { size } = await file.stat();
      return file.truncate(Math.floor((size * damage.percentLeft) / 100));
    }
    case 'head':
      await file.write(Buffer.from('ROTTEN..'), 0, 8, 0);
      return;
    case 'flip': {
      // A set without content has nothing that could rot.
      if (place === undefined) return;
      const byte = Buffer.alloc(1);
      await file.read(byte, 0, 1, place);
      await file.write(Buffer.of((byte[0] ?? 0) ^ 0x10), 0, 1, place);
    }
  }
}
