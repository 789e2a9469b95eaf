import type { Login } from '../contract.ts';
import type { PlaceHook } from './durable-file.ts';

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
  /** For tests: told every place at which a crash would leave other files behind than before. */
  readonly passed?: PlaceHook;
};
