/**
 * What two instances say to each other: frames of JSON over TCP on loopback. One call at a time, each with one reply; only `cancel` may come in
 * between. Own protocol: nothing of it is SQL Server's.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { frame, frameHeaderBytes, readFrames } from '../engine/frames.ts';
import type { DistributedId } from '../engine/branch.ts';
import type { Outcome } from '../engine/outcomes.ts';
import type { Ending } from '../engine/resolutions.ts';
import type { Message, RemoteAnswer, RemoteRequest, SqlFailure } from '../contract.ts';
import type { TypedValue } from '../values.ts';

export type PeerCall =
  /** Logs the caller in: a session of this connection. */
  | { readonly kind: 'open'; readonly login: string; readonly hostName: string }
  | { readonly kind: 'enlist'; readonly id: DistributedId }
  | {
      readonly kind: 'run';
      readonly request: RemoteRequest;
      readonly lockTimeoutMs: number;
      readonly xactAbort: boolean;
    }
  | { readonly kind: 'prepare'; readonly id: DistributedId }
  | { readonly kind: 'abort'; readonly decision: string }
  | { readonly kind: 'settle'; readonly decision: string; readonly outcome: 'committed' | 'aborted' }
  | { readonly kind: 'outcome'; readonly decision: string }
  | { readonly kind: 'acknowledge'; readonly decision: string; readonly instance: string; readonly resolved?: Ending };

export type Cancel = { readonly kind: 'cancel' };

export type RunAnswer = Omit<RemoteAnswer, 'outputs'> & {
  readonly outputs: readonly (readonly [string, TypedValue])[];
  readonly errors: readonly Message[];
  /** Whether the part that was enlisted before is still there. */
  readonly enlisted: boolean;
};

/** Each kind of call and what its reply holds. */
export type Answers = {
  readonly open: { readonly spid: number };
  readonly enlist: Record<string, never>;
  readonly run: RunAnswer;
  readonly prepare: { readonly vote: 'prepared' | 'read only' };
  readonly abort: Record<string, never>;
  /** `resolved`: the part had been ended so without its coordinator. */
  readonly settle: { readonly done: boolean; readonly resolved?: Ending };
  readonly outcome: { readonly outcome: Outcome };
  readonly acknowledge: Record<string, never>;
};

export type PeerReply =
  | { readonly kind: 'answer'; readonly answer: Answers[keyof Answers] }
  | { readonly kind: 'failed'; readonly messages: readonly Message[]; readonly scope: SqlFailure['scope'] }
  | { readonly kind: 'cancelled' }
  /** A mistake of the stand-in itself over there. */
  | { readonly kind: 'broken'; readonly text: string };

/** The first frames of a connection: both sides prove that they know the secret, without saying it. */
export type Challenge = { readonly challenge: string };
export type Proof = { readonly challenge: string; readonly proof: string };
export type Welcome = { readonly proof: string; readonly serverName: string };

export function proofOf(secret: string, side: 'caller' | 'server', first: string, second: string): string {
  return createHmac('sha256', secret).update(`${side}|${first}|${second}`).digest('hex');
}

export function sameProof(expected: string, given: unknown): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(String(given))];
  return a.length === b.length && timingSafeEqual(a, b);
}

export function encode(message: object): Buffer {
  return frame(Buffer.from(JSON.stringify(toPlain(message))));
}

/** JSON has neither bigint nor bytes. */
function toPlain(value: unknown): unknown {
  if (typeof value === 'bigint') return { '~n': String(value) };
  if (value instanceof Uint8Array) return { '~b': Buffer.from(value).toString('base64') };
  if (Array.isArray(value)) return value.map(toPlain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, toPlain(each)]));
}

function fromPlain(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('~n' in value) return BigInt(String(value['~n']));
  if ('~b' in value) return new Uint8Array(Buffer.from(String(value['~b']), 'base64'));
  return value;
}

/** Nobody sends more than this before it has proven who it is. */
const strangerBytes = 1024;

/** Cuts a stream into frames. Throws for one that is damaged, or too long for somebody unknown. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);
  trusted = false;

  push(chunk: Buffer): readonly unknown[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const { payloads, end } = readFrames(this.#rest, 0);
    this.#rest = this.#rest.subarray(end);
    if (this.#rest.length >= frameHeaderBytes && this.#rest.length >= frameHeaderBytes + this.#rest.readUInt32LE(0)) {
      throw new Error('a damaged frame');
    }
    if (!this.trusted && this.#rest.length > strangerBytes) throw new Error('a long frame of somebody unknown');
    return payloads.map(payload => JSON.parse(payload.toString('utf8'), fromPlain) as unknown);
  }
}
