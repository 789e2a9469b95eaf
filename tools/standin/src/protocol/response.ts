import type { Message, ResultColumn, ResultSink } from '../contract.ts';
import type { SqlValue, TypedValue } from '../values.ts';
import type { ByteWriter } from './bytes.ts';
import type { MessageWriter } from './message-writer.ts';
import {
  doneStatus,
  doneToken,
  environment,
  noCommand,
  writeColumns,
  writeDone,
  writeEnvironmentBytes,
  writeEnvironmentText,
  writeMessage,
  writeReturnStatus,
  writeReturnValue,
  writeRow,
} from './tokens.ts';

type Done = { readonly status: number; readonly command: number; readonly rowCount: bigint };
export type ResponseOptions = {
  readonly serverName: string;
  readonly signal: AbortSignal;
  /** The answer to an RPC. */
  readonly procedure: boolean;
  /** CurCmd for the running statement when each of its messages ends with a DONE of its own; undefined when they do not. */
  readonly messageCommand: () => number | undefined;
};
type ReturnedValue = { readonly ordinal: number; readonly name: string; readonly value: TypedValue };

/**
 * The answer to one request. A DONE waits until what follows it is known, because only then it can say whether more comes; everything before
 * it may be flushed at any time. Inside an RPC statements end with DONEINPROC and the call with DONEPROC (sqlserver.md §1.5).
 */
export class Response implements ResultSink {
  readonly #writer: MessageWriter;
  readonly #serverName: string;
  readonly #signal: AbortSignal;
  readonly #messageCommand: () => number | undefined;
  readonly #statementDone: number;
  #columns: readonly ResultColumn[] = [];
  #waiting: Done | undefined;
  #errorsSinceDone = false;
  #fatal = false;
  #callEnded = false;

  constructor(writer: MessageWriter, options: ResponseOptions) {
    this.#writer = writer;
    this.#serverName = options.serverName;
    this.#signal = options.signal;
    this.#messageCommand = options.messageCommand;
    this.#statementDone = options.procedure ? doneToken.doneInProcedure : doneToken.done;
  }

  /** An error of severity 20 or more was sent: the connection closes after this answer (sqlserver.md §8.3). */
  get fatal(): boolean {
    return this.#fatal;
  }

  /** The last call of an RPC message was ended. */
  get callEnded(): boolean {
    return this.#callEnded;
  }

  columns(columns: readonly ResultColumn[]): void {
    this.#write(tokens => writeColumns(tokens, columns));
    this.#columns = columns;
  }

  row(values: readonly SqlValue[]): void {
    this.#write(tokens => writeRow(tokens, this.#columns, values));
  }

  info(message: Message): void {
    const command = this.#messageCommand();
    this.#write(tokens => {
      writeMessage(tokens, 'info', message, this.#serverName);
      if (command !== undefined) writeDone(tokens, this.#statementDone, doneStatus.more, command, 0n);
    });
  }

  error(message: Message): void {
    this.#write(tokens => writeMessage(tokens, 'error', message, this.#serverName));
    this.#errorsSinceDone = true;
    if (message.severity >= 20) this.#fatal = true;
  }

  done(result: { readonly command: number; readonly rowCount?: bigint; readonly failed?: boolean }): void {
    this.#releaseDone();
    this.#waiting = {
      status:
        (result.failed === true || this.#errorsSinceDone ? doneStatus.error : 0) |
        (result.rowCount === undefined ? 0 : doneStatus.count),
      command: result.command,
      rowCount: result.rowCount ?? 0n,
    };
    this.#errorsSinceDone = false;
  }

  database(from: string, to: string): void {
    this.#write(tokens => writeEnvironmentText(tokens, environment.database, to, from));
  }

  transaction(change: 'begin' | 'commit' | 'rollback', descriptor: bigint): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt.asUintN(64, descriptor));
    const none = Buffer.alloc(0);
    this.#write(tokens =>
      change === 'begin'
        ? writeEnvironmentBytes(tokens, environment.begin, bytes, none)
        : writeEnvironmentBytes(tokens, environment[change], none, bytes),
    );
  }

  /** The session started afresh before this request (RESETCONNECTION). */
  sessionReset(): void {
    this.#write(tokens => writeEnvironmentBytes(tokens, environment.reset, Buffer.alloc(0), Buffer.alloc(0)));
  }

  flush(): Promise<void> {
    return this.#writer.flush(this.#signal);
  }

  /** Ends one call of an RPC message. */
  endCall(
    result: { readonly status: number; readonly outputs: readonly ReturnedValue[] } | undefined,
    last: boolean,
  ): void {
    this.#releaseDone();
    this.#write(tokens => {
      if (result !== undefined) {
        writeReturnStatus(tokens, result.status);
        for (const output of result.outputs) writeReturnValue(tokens, output.ordinal, output.name, output.value);
      }
      const failed = result === undefined || this.#errorsSinceDone;
      const status = (failed ? doneStatus.error : 0) | (last ? 0 : doneStatus.more);
      writeDone(tokens, doneToken.doneProcedure, status, 224, 0n);
    });
    this.#errorsSinceDone = false;
    this.#callEnded = last;
  }

  /** Ends the answer of a batch or transaction request. Cut short (attention, KILL): the last DONE says error (sqlserver.md §8.4). */
  endBatch(cutShort: boolean): void {
    if (cutShort || this.#waiting === undefined) {
      const failed = cutShort || this.#errorsSinceDone;
      this.#releaseDone();
      this.#waiting = { status: failed ? doneStatus.error : 0, command: noCommand, rowCount: 0n };
    }
    const { status, command, rowCount } = this.#waiting;
    writeDone(this.#writer.tokens, this.#statementDone, status, command, rowCount);
    this.#waiting = undefined;
  }

  #releaseDone(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    const status = waiting.status | doneStatus.more;
    writeDone(this.#writer.tokens, this.#statementDone, status, waiting.command, waiting.rowCount);
  }

  #write(write: (tokens: ByteWriter) => void): void {
    this.#releaseDone();
    const { tokens } = this.#writer;
    const before = tokens.length;
    try {
      write(tokens);
    } catch (error) {
      // Half a token would make the rest of the answer unreadable.
      tokens.truncate(before);
      throw error;
    }
    this.#writer.sendFull();
  }
}
