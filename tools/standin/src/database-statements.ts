/** Statements about whole databases as the engine takes them: parsed, names and literals already evaluated. */
import type { RecoveryModel } from './contract.ts';

export type BackupStatement = {
  readonly kind: 'database' | 'log';
  readonly database: string;
  readonly devices: readonly { readonly type: 'disk' | 'url'; readonly path: string }[];
  readonly options: BackupOptions;
};
export type BackupOptions = {
  readonly differential?: boolean;
  readonly copyOnly?: boolean;
  readonly compression?: boolean;
  /** Without it the server's option decides; false: NO_CHECKSUM. */
  readonly checksum?: boolean;
  readonly blockSize?: number;
  readonly init?: boolean;
  readonly format?: boolean;
  readonly noRecovery?: boolean;
  /** As `noRecovery`, and readable from then on; its undo file. */
  readonly standby?: string;
  readonly noTruncate?: boolean;
  readonly name?: string;
  readonly description?: string;
  readonly mediaName?: string;
  readonly mediaDescription?: string;
  /** Local time, yyyy-mm-ddThh:mm:ss. */
  readonly expireDate?: string;
  /** Wins over the other (sqlserver.md §1.1). */
  readonly retainDays?: number;
  /** Neither expiry nor the name of the medium is looked at. */
  readonly skip?: boolean;
  /** Percent step; undefined: no 3211. */
  readonly stats?: number;
};

export type RestoreStop =
  | { readonly kind: 'at mark' | 'before mark'; readonly mark: string; readonly after?: string }
  | { readonly kind: 'at time'; readonly time: string };
export type RestoreStatement = {
  readonly kind: 'database' | 'log';
  readonly database: string;
  /** Empty: RESTORE DATABASE d WITH RECOVERY | NORECOVERY. */
  readonly devices: readonly { readonly type: 'disk' | 'url'; readonly path: string }[];
  readonly recovery: 'recovery' | 'norecovery' | { readonly standby: string };
  readonly options: {
    readonly file?: number;
    readonly replace?: boolean;
    readonly restart?: boolean;
    readonly move?: readonly { readonly logicalName: string; readonly physicalName: string }[];
    readonly stats?: number;
    /** True: a set without them is refused (3187); false: they are not looked at. */
    readonly checksum?: boolean;
    readonly restrictedUser?: boolean;
    readonly stop?: RestoreStop;
  };
};
export type RestoreInformationStatement = {
  readonly kind: 'headeronly' | 'filelistonly' | 'labelonly' | 'verifyonly';
  readonly devices: readonly { readonly type: 'disk' | 'url'; readonly path: string }[];
  readonly options: { readonly file?: number; readonly checksum?: boolean; readonly stats?: number };
};
export type AlterDatabaseStatement = {
  readonly database: string;
  readonly set:
    | {
        readonly option:
          | 'ONLINE'
          | 'OFFLINE'
          | 'EMERGENCY'
          | 'SINGLE_USER'
          | 'RESTRICTED_USER'
          | 'MULTI_USER'
          | 'READ_ONLY'
          | 'READ_WRITE';
      }
    | { readonly option: 'RECOVERY'; readonly model: RecoveryModel };
  readonly termination?:
    | { readonly kind: 'rollback immediate' }
    | { readonly kind: 'rollback after'; readonly seconds: number }
    | { readonly kind: 'no wait' };
};
