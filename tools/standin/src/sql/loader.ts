/**
 * Rows first, evaluation after: binding registers every table a statement reads, `load` fetches them in order through the statement's
 * transaction, and from then on everything is synchronous. Subqueries therefore never wait for a lock in the middle of a row.
 */
import type { CommonTable } from './ast.ts';
import type { SqlValue } from '../values.ts';

export type Loaded = { rows: readonly (readonly SqlValue[])[] };

export class Loader {
  /** WITH tables of the statement, by lower-case name. */
  readonly common = new Map<string, CommonTable>();
  /** Names of WITH tables that are being bound: one that names itself is recursive. */
  readonly binding = new Set<string>();
  #pending: (() => Promise<void>)[] = [];

  /** `fetch` runs at the next `load`. */
  add(fetch: () => Promise<Iterable<readonly SqlValue[]>>): Loaded {
    const loaded: Loaded = { rows: [] };
    this.#pending.push(async () => {
      loaded.rows = [...(await fetch())];
    });
    return loaded;
  }

  /** Nothing to wait for. */
  get empty(): boolean {
    return this.#pending.length === 0;
  }

  async load(): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    for (const fetch of pending) await fetch();
  }
}
