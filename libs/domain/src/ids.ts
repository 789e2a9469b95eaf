/** Ids are UUID strings, global and opaque; each kind has a type of its own, so that one cannot pass for another. */
declare const kind: unique symbol;
export type Id<Kind extends string> = string & { readonly [kind]: Kind };

export type GroupId = Id<'group'>;
export type InstanceId = Id<'instance'>;
export type DatabaseId = Id<'database'>;
export type BackupSetId = Id<'backup-set'>;
export type BackupFileId = Id<'backup-file'>;
export type RecoveryPointId = Id<'recovery-point'>;
export type StandbyId = Id<'standby'>;
export type StreamId = Id<'stream'>;
export type ExecutionId = Id<'execution'>;

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** The id in its one spelling (lower case), or undefined when the text is no UUID. */
export function parseId<T extends Id<string>>(text: string): T | undefined {
  const lower = text.toLowerCase();
  return uuid.test(lower) ? (lower as T) : undefined;
}
