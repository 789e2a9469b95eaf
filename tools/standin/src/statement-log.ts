import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { StatementLog, StatementLogEntry } from './contract.ts';

/**
 * JSON lines, one when a statement starts and one when it ends. Written at once but not synced: what a killed process wrote is there, which is
 * what the witness is for; a power cut is not tested.
 */
export class FileStatementLog implements StatementLog {
  readonly #file: number;
  #started = 0;
  #open = true;

  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true });
    this.#file = openSync(path, 'a');
  }

  /** Statements that ran since the process started. */
  get statements(): number {
    return this.#started;
  }

  write(entry: StatementLogEntry): void {
    if (entry.outcome === 'started') this.#started += 1;
    // A statement that ends after the server closed has nowhere to be told.
    if (this.#open) writeSync(this.#file, `${JSON.stringify(entry)}\n`);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#file);
  }
}
