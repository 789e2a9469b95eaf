/** How a statement's rows and its end reach the client. */
import type { SqlValue } from '../values.ts';
import type { Run } from './session-state.ts';

/** Rows between two pauses for the socket: a big result must not fill the memory before the client reads it. */
const ROWS_PER_FLUSH = 500;

export async function sendRows(run: Run, rows: readonly (readonly SqlValue[])[]): Promise<void> {
  for (let i = 0; i < rows.length; i += 1) {
    const row = rows[i];
    if (row !== undefined) run.sink.row(row);
    if ((i + 1) % ROWS_PER_FLUSH === 0) {
      await run.sink.flush();
      run.session.signal.throwIfAborted();
    }
  }
}

/** `tell`: an assignment counts for @@ROWCOUNT but its end carries no count. */
export function counted(run: Run, command: number, count: bigint, tell: boolean): void {
  run.state.rowCount = count;
  run.state.error = 0;
  run.sink.done(tell && !run.session.options.noCount ? { command, rowCount: count } : { command });
}
