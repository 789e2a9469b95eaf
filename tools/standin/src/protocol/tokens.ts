import type { Message, ResultColumn } from '../contract.ts';
import type { SqlValue, TypedValue } from '../values.ts';
import type { ByteWriter } from './bytes.ts';
import { writeType } from './encode-type.ts';
import { writeValue } from './encode-value.ts';

const token = {
  returnStatus: 0x79,
  columns: 0x81,
  error: 0xaa,
  info: 0xab,
  returnValue: 0xac,
  loginAck: 0xad,
  featureAck: 0xae,
  row: 0xd1,
  rowWithNulls: 0xd2,
  environment: 0xe3,
  sspi: 0xed,
} as const;

export const doneToken = { done: 0xfd, doneProcedure: 0xfe, doneInProcedure: 0xff } as const;
export const doneStatus = { more: 0x01, error: 0x02, count: 0x10, attention: 0x20 } as const;
export const environment = {
  database: 1,
  language: 2,
  packetSize: 4,
  collation: 7,
  begin: 8,
  commit: 9,
  rollback: 10,
  reset: 18,
} as const;

/** CurCmd of an answer that belongs to no statement (sqlserver.md §1.5). */
export const noCommand = 253;

export function writeColumns(writer: ByteWriter, columns: readonly ResultColumn[]): void {
  writer.u8(token.columns).u16(columns.length);
  for (const column of columns) {
    // Flags: nullable, and "updatable unknown" as for a result of expressions.
    writer.u32(0).u16((column.nullable ? 0x01 : 0) | 0x08);
    writeType(writer, column.type, { nullable: column.nullable, column: true });
    writer.shortText(column.name);
  }
}

/** Rows with a NULL travel as NBCROW, as a real server sends them. */
export function writeRow(writer: ByteWriter, columns: readonly ResultColumn[], values: readonly SqlValue[]): void {
  if (values.length !== columns.length) {
    throw new Error(`a row of ${values.length} values for ${columns.length} columns`);
  }
  const withNulls = values.includes(null);
  writer.u8(withNulls ? token.rowWithNulls : token.row);
  if (withNulls) {
    const bitmap = Buffer.alloc(Math.ceil(values.length / 8));
    for (const [at, value] of values.entries()) {
      if (value === null) bitmap[at >> 3] = (bitmap[at >> 3] ?? 0) | (1 << (at & 7));
    }
    writer.raw(bitmap);
  }
  for (const [at, column] of columns.entries()) {
    const value = values[at] ?? null;
    if (value === null && !column.nullable) {
      throw new Error(`NULL in column ${column.name}, announced as NOT NULL`);
    }
    if (value !== null) writeValue(writer, column.type, column.nullable, value);
  }
}

export function writeDone(writer: ByteWriter, kind: number, status: number, command: number, rowCount: bigint): void {
  writer.u8(kind).u16(status).u16(command).u64(rowCount);
}

/** ERROR and DONE as clients of TDS 7.1 and older read them: line and row count are shorter. */
export function writeOldRefusal(writer: ByteWriter, message: Message, serverName: string): void {
  const line = 2;
  writer.u8(token.error).u16(9 + (message.text.length + serverName.length) * 2 + line);
  writer.i32(message.number).u8(message.state).u8(message.severity);
  writer.longText(message.text).shortText(serverName).shortText('').u16(1);
  writer.u8(doneToken.done).u16(doneStatus.error).u16(noCommand).u32(0);
}

/** INFO carries class 0 whatever the severity (sqlserver.md §1.3). */
export function writeMessage(writer: ByteWriter, kind: 'error' | 'info', message: Message, serverName: string): void {
  writer.u8(kind === 'error' ? token.error : token.info);
  const text = message.text.slice(0, 16_000);
  const procedure = (message.procedure ?? '').slice(0, 255);
  const server = serverName.slice(0, 255);
  writer.u16(4 + 1 + 1 + 2 + text.length * 2 + 1 + server.length * 2 + 1 + procedure.length * 2 + 4);
  writer
    .i32(message.number)
    .u8(message.state)
    .u8(kind === 'error' ? message.severity : 0);
  writer
    .longText(text)
    .shortText(server)
    .shortText(procedure)
    .i32(message.line ?? 1);
}

export function writeEnvironmentText(writer: ByteWriter, type: number, to: string, from: string): void {
  const [newText, oldText] = [to.slice(0, 255), from.slice(0, 255)];
  writer.u8(token.environment).u16(3 + (newText.length + oldText.length) * 2);
  writer.u8(type).shortText(newText).shortText(oldText);
}

export function writeEnvironmentBytes(writer: ByteWriter, type: number, to: Uint8Array, from: Uint8Array): void {
  writer.u8(token.environment).u16(3 + to.length + from.length);
  writer.u8(type).u8(to.length).raw(to).u8(from.length).raw(from);
}

export function writeReturnStatus(writer: ByteWriter, status: number): void {
  writer.u8(token.returnStatus).i32(status);
}

export function writeReturnValue(writer: ByteWriter, ordinal: number, name: string, value: TypedValue): void {
  writer.u8(token.returnValue).u16(ordinal).shortText(name).u8(0x01).u32(0).u16(0x01);
  writeType(writer, value.type, { nullable: true, column: false });
  writeValue(writer, value.type, true, value.value);
}

export function writeLoginAck(
  writer: ByteWriter,
  answer: { readonly tdsVersion: number; readonly version: readonly [number, number, number] },
): void {
  const program = 'Microsoft SQL Server';
  const [major, minor, build] = answer.version;
  writer.u8(token.loginAck).u16(1 + 4 + 1 + program.length * 2 + 4);
  writer.u8(1).u32be(answer.tdsVersion).shortText(program).u8(major).u8(minor).u16be(build);
}

/** A message of the login's own protocol, here NTLM. */
export function writeSspi(writer: ByteWriter, message: Uint8Array): void {
  writer.u8(token.sspi).u16(message.length).raw(message);
}

/** No feature is acknowledged: each unacknowledged one stays off at the client. */
export function writeFeatureAck(writer: ByteWriter): void {
  writer.u8(token.featureAck).u8(0xff);
}
