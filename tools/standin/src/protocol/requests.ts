import type { RpcParameter } from '../contract.ts';
import { unsupported } from '../messages.ts';
import { ByteReader, ProtocolError } from './bytes.ts';
import { readTypedValue } from './decode-value.ts';

export type ProcedureCall = { readonly procedure: string; readonly parameters: readonly RpcParameter[] };

export type TransactionRequest = {
  readonly operation: 'begin' | 'commit' | 'rollback' | 'save';
  readonly name: string;
  /** Set on commit and rollback: a new transaction begins at once (ODBC's manual-commit mode). */
  readonly beginNext: boolean;
};

/** ProcIDs of MS-TDS; the driver sends 10 … 15 (tech/standin.md, Wire facts). */
const procedureNames = [
  '',
  'sp_cursor',
  'sp_cursoropen',
  'sp_cursorprepare',
  'sp_cursorexecute',
  'sp_cursorprepexec',
  'sp_cursorunprepare',
  'sp_cursorfetch',
  'sp_cursoroption',
  'sp_cursorclose',
  'sp_executesql',
  'sp_prepare',
  'sp_execute',
  'sp_prepexec',
  'sp_prepexecrpc',
  'sp_unprepare',
] as const;

const byId = 0xffff;
const byReference = 0x01;
const defaultValue = 0x02;
const encrypted = 0x08;

export function parseBatch(payload: Buffer): string {
  const reader = new ByteReader(payload);
  skipHeaders(reader);
  if (reader.left % 2 !== 0) throw new ProtocolError('batch text of an odd number of bytes');
  return reader.ucs2(reader.left / 2);
}

/** One message may hold several calls; 0xFF (or 0x80 of older clients) stands between them. */
export function parseCalls(payload: Buffer): ProcedureCall[] {
  const reader = new ByteReader(payload);
  skipHeaders(reader);
  const calls: ProcedureCall[] = [];
  while (reader.left > 0) calls.push(parseCall(reader));
  return calls;
}

function parseCall(reader: ByteReader): ProcedureCall {
  const nameLength = reader.u16();
  const procedure = nameLength === byId ? procedureName(reader.u16()) : reader.ucs2(nameLength);
  reader.u16();
  const parameters: RpcParameter[] = [];
  while (reader.left > 0) {
    const nameCharacters = reader.u8();
    if (nameCharacters === 0xff || nameCharacters === 0x80) break;
    const name = reader.ucs2(nameCharacters);
    const status = reader.u8();
    if ((status & encrypted) !== 0) throw unsupported('encrypted parameter');
    const value = readTypedValue(reader);
    if ((status & defaultValue) !== 0) {
      // A parameter left to its default is one that was not sent; without a name the later ones would move up.
      if (name === '') throw unsupported('default value for an unnamed parameter');
      continue;
    }
    parameters.push({ name, output: (status & byReference) !== 0, value });
  }
  return { procedure, parameters };
}

function procedureName(id: number): string {
  const name = procedureNames[id];
  if (name === undefined || name === '') throw new ProtocolError(`procedure id ${id}`);
  return name;
}

const transactionRequest = {
  dtcAddress: 0,
  propagate: 1,
  begin: 5,
  promote: 6,
  commit: 7,
  rollback: 8,
  save: 9,
} as const;
const readCommitted = 2;

export function parseTransactionRequest(payload: Buffer): TransactionRequest {
  const reader = new ByteReader(payload);
  skipHeaders(reader);
  const kind = reader.u16();
  switch (kind) {
    case transactionRequest.begin:
      requireReadCommitted(reader.u8());
      return { operation: 'begin', name: reader.ucs2(reader.u8() / 2), beginNext: false };
    case transactionRequest.commit:
    case transactionRequest.rollback: {
      const name = reader.ucs2(reader.u8() / 2);
      const beginNext = (reader.u8() & 0x01) !== 0;
      if (beginNext) requireReadCommitted(reader.u8());
      return { operation: kind === transactionRequest.commit ? 'commit' : 'rollback', name, beginNext };
    }
    case transactionRequest.save:
      return { operation: 'save', name: reader.ucs2(reader.u8() / 2), beginNext: false };
    case transactionRequest.dtcAddress:
    case transactionRequest.propagate:
    case transactionRequest.promote:
      throw unsupported('distributed transaction enlisted by the client');
    default:
      throw new ProtocolError(`transaction request ${kind}`);
  }
}

/** 0 keeps the session's level, which is READ COMMITTED always. */
function requireReadCommitted(level: number): void {
  if (level !== 0 && level !== readCommitted) throw unsupported(`isolation level ${level} of a transaction request`);
}

/** ALL_HEADERS: the transaction descriptor in it is the one we sent; one request at a time makes it redundant. */
function skipHeaders(reader: ByteReader): void {
  const total = reader.u32();
  if (total < 4) throw new ProtocolError('ALL_HEADERS is missing');
  reader.raw(total - 4);
}
