import type { Login } from '../contract.ts';
import type { Faults } from '../faults/fault-switches.ts';
import type { PlaceHook } from './durable-file.ts';

/** Address and secret of the instance named `dataSource`, asked anew for every connection; undefined: nobody knows it. */
export type PeerDirectory = (
  dataSource: string,
) => Promise<{ readonly host: string; readonly port: number; readonly secret: string } | undefined>;

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
  /** Local time, as if it were UTC. */
  readonly clock: () => Date;
  /** How far local time is east of UTC; undefined: 0. */
  readonly utcOffsetMinutes?: number;
  /** Resolves when `clock` shows the moment, rejects with RequestAborted when the signal is aborted first. Without it: when this machine's says so. */
  readonly waitUntil?: (moment: Date, signal: AbortSignal, sleeper: object) => Promise<void>;
  /** In [0, 1), as Math.random; GUIDs are drawn from it. */
  readonly random: () => number;
  /** Where the other instances are; undefined: there are none. */
  readonly peers?: PeerDirectory;
  /** Misbehaviour on demand, and switches of the surroundings; undefined: none. */
  readonly faults?: Faults;
  /** How long a mark waits for transactions that are prepared already. Default 10 s (a real server's is not documented: unverified). */
  readonly markDrainTimeoutMs?: number;
  /** Files are not forced to the disk (durable-file.ts). */
  readonly hasty?: boolean;
  /** For tests: told every place at which a crash would leave other files behind than before. */
  readonly passed?: PlaceHook;
};
