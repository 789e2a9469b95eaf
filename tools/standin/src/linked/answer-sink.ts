import type { Message, ResultColumn, ResultSink, Row } from '../contract.ts';

/** Keeps what a batch sends, to be sent as one answer. */
export class AnswerSink implements ResultSink {
  readonly resultSets: { readonly columns: readonly ResultColumn[]; readonly rows: Row[] }[] = [];
  readonly infos: Message[] = [];
  readonly errors: Message[] = [];
  rowCount: bigint | undefined;

  columns(columns: readonly ResultColumn[]): void {
    this.resultSets.push({ columns, rows: [] });
  }
  row(values: Row): void {
    this.resultSets.at(-1)?.rows.push(values);
  }
  info(message: Message): void {
    this.infos.push(message);
  }
  error(message: Message): void {
    this.errors.push(message);
  }
  done(result: { readonly rowCount?: bigint }): void {
    if (result.rowCount !== undefined) this.rowCount = result.rowCount;
  }
  database(): void {
    // The caller names the database with every request.
  }
  transaction(): void {
    // The caller hears whether its part is still there.
  }
  flush(): Promise<void> {
    return Promise.resolve();
  }
}
