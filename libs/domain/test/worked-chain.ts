import type { BackupFileId, DatabaseId } from '../src/ids.ts';
import { requireLsn, type Lsn } from '../src/lsn.ts';
import { requireMarkName } from '../src/mark.ts';
import type { CopiedFile } from '../src/restore-plan.ts';

/** The worked chain of sqlserver.md §2.8, number for number. D1 is a differential: here only a position to stand at. */
const sets = {
  F1: ['FULL', '37000000030400001', '37000000032800001'],
  L1: ['LOG', '37000000030400001', '37000000041600001'],
  C1: ['FULL', '37000000045600001', '37000000047200001'],
  L2: ['LOG', '37000000041600001', '37000000052000001'],
  F2: ['FULL', '37000000060000001', '37000000069600001'],
  L3: ['LOG', '37000000052000001', '37000000064000001'],
  L4: ['LOG', '37000000064000001', '37000000078400001'],
} as const;
export type Name = keyof typeof sets;

export const database = '0198a5c2-7e1b-7c3d-9a4f-000000000001' as DatabaseId;
export const fork = '11111111-1111-4111-8111-111111111111';
export const mark = requireMarkName('BTS_2007_04_12_00_00_08_497');
export const markLsn = requireLsn('37000000072800003');
export const afterD1 = at('37000000054400001');

export function copy(name: Name, changes: Partial<CopiedFile> = {}): CopiedFile {
  const [type, firstLsn, lastLsn] = sets[name];
  return {
    fileId: name as string as BackupFileId,
    type,
    path: `D:\\Backup\\${name}.bak`,
    position: 1,
    verified: true,
    header: {
      backupSetUuid: name,
      familyGuid: 'family',
      firstForkGuid: fork,
      lastForkGuid: fork,
      firstLsn: requireLsn(firstLsn),
      lastLsn: requireLsn(lastLsn),
    },
    ...changes,
  };
}

export const copies = (...names: Name[]): CopiedFile[] => names.map(name => copy(name));
export const names = (files: readonly CopiedFile[]): string[] => files.map(file => file.fileId);
export const lsnAt = (name: Name, end: 'first' | 'last'): Lsn => requireLsn(sets[name][end === 'first' ? 1 : 2]);

export function at(lsn: string): { lsn: Lsn; forkGuid: string } {
  return { lsn: requireLsn(lsn), forkGuid: fork };
}
