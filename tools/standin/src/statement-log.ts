import { closeSync, mkdirSync, openSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { StatementLog, StatementLogEntry } from './contract.ts';

/**
 * JSON lines: one before a statement does anything, one when it has ended and before its end is answered. So a statement that a killed process
 * had begun is there, with how it ended if it did. What may wait does so in memory: a write costs as much as many a statement.
 * Written at once but not synced: a power cut is not tested.
 */
export class FileStatementLog implements StatementLog {
  readonly #file: number;
  #started = 0;
  #waiting = '';
  #open = true;

  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true });
    this.#file = openSync(path, 'a');
    cutTornLine(path);
  }

  /** Statements that ran since the process started. */
  get statements(): number {
    return this.#started;
  }

  write(entry: StatementLogEntry, { mayWait } = { mayWait: false }): void {
    if (entry.outcome === 'started') this.#started += 1;
    // A statement that ends after the server closed has nowhere to be told.
    if (!this.#open) return;
    this.#waiting += lineOf(entry);
    if (!mayWait) this.#flush();
  }

  #flush(): void {
    const lines = this.#waiting;
    this.#waiting = '';
    if (lines !== '') writeFileSync(this.#file, lines);
  }

  close(): void {
    if (!this.#open) return;
    this.#flush();
    this.#open = false;
    closeSync(this.#file);
  }
}

/** As JSON.stringify has it, of which each statement would ask for much it need not look for. */
function lineOf({ at, spid, program, text, outcome, errors, milliseconds }: StatementLogEntry): string {
  const who = `"at":"${at}","spid":${spid},"program":${JSON.stringify(program)}`;
  const end = `"outcome":"${outcome}","errors":[${errors.join()}],"milliseconds":${milliseconds}`;
  return `{${who},"text":${JSON.stringify(text)},${end}}\n`;
}

/** A line that a kill cut off told of nothing: its statement had not begun, or its start stands in a line of its own. */
function cutTornLine(path: string): void {
  const bytes = readFileSync(path);
  const whole = bytes.lastIndexOf('\n') + 1;
  if (whole < bytes.length) truncateSync(path, whole);
}
