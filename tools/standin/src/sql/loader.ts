/**
 * Rows first, evaluation after: binding registers every table a statement reads, `load` fetches them in order through the statement's
 * transaction, and from then on everything is synchronous. Subqueries therefore never wait for a lock in the middle of a row.
 */
import type { CommonTable } from './ast.ts';
import type { SqlValue } from '../values.ts';

export type Loaded = { rows: readonly (readonly SqlValue[])[] };

export class Loader {
  #common: Map<string, CommonTable> | undefined;
  #binding: Set<string> | undefined;
  #pending: (() => Promise<void>)[] = [];

  /** WITH tables of the statement, by lower-case name. Few have any, and each argument of a call has a loader. */
  get common(): Map<string, CommonTable> {
    this.#common ??= new Map();
    return this.#common;
  }

  /** Names of WITH tables that are being bound: one that names itself is recursive. */
  get binding(): Set<string> {
    this.#binding ??= new Set();
    return this.#binding;
  }

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
