import type { Login } from '../contract.ts';
import type { PlaceHook } from './durable-file.ts';

/** Address and secret of the instance named `dataSource`, asked anew for every connection; undefined: nobody knows it. */
export type PeerDirectory = (
  dataSource: string,
) => Promise<{ readonly host: string; readonly port: number; readonly secret: string } | undefined>;

/** How long RESTOREs take (recovery/pace.ts). */
export type RestorePace = { readonly bytesPerSecond: number; readonly msPerStatement: number };

export type EngineFaults = {
  /** Marks hold no other transaction back: they tear (sqlserver.md §3.4). */
  readonly noMarkStall?: boolean;
  /** Wait between the commits of one distributed transaction at two instances. */
  readonly commitGapMs?: number;
  /** As if MSDTC did not run: no distributed transactions (7391). */
  readonly noDtc?: boolean;
  /** How large the disk behind the instance's paths is (disk-quota.ts). */
  readonly diskQuotaBytes?: number;
  /** Names of databases that are as if in an availability group: RESTORE over them is 3104 (sqlserver.md §4.2). */
  readonly availabilityGroup?: readonly string[];
  /** Asked again while a RESTORE runs; undefined: as fast as it goes. */
  readonly restorePace?: () => RestorePace | undefined;
};

/** What an instance is started with. */
export type EngineOptions = {
  /** Folder of this machine that holds the instance: system databases, the list of databases, the default data and backup folders. */
  readonly dataFolder: string;
  /** @@SERVERNAME, e.g. `PRIMARY\BTS`. */
  readonly serverName: string;
  /** 13 (2016) … 17 (2025). */
  readonly majorVersion: number;
  /** Windows or UNC path prefix → folder of this machine. The longest prefix wins, case-insensitively. */
  readonly pathMap: Readonly<Record<string, string>>;
  readonly logins: readonly Login[];
  readonly clock: () => Date;
  /** In [0, 1), as Math.random; GUIDs are drawn from it. */
  readonly random: () => number;
  /** Where the other instances are; undefined: there are none. */
  readonly peers?: PeerDirectory;
  /** Misbehaviour on demand, and switches of the surroundings. */
  readonly faults?: EngineFaults;
  /** How long a mark waits for transactions that are prepared already. Default 10 s (a real server's is not documented: unverified). */
  readonly markDrainTimeoutMs?: number;
  /** For tests: told every place at which a crash would leave other files behind than before. */
  readonly passed?: PlaceHook;
};
