/** A client of NTLM for tests. */
import { createHmac } from 'node:crypto';
import { ntHash } from './ntlm.ts';

const signature = Buffer.from('NTLMSSP\0', 'latin1');
const clientChallenge = Buffer.from('aaaaaaaaaaaaaaaa', 'hex');

/** The first message. */
export const negotiate = Buffer.concat([signature, Buffer.from('0100000005820a02', 'hex'), Buffer.alloc(16)]);

export type AnswerOptions = {
  readonly domain?: string;
  readonly provenDomain?: string;
  readonly user?: string;
  readonly password?: string;
  readonly mic?: boolean;
  /** `proof`: only its first 16 bytes are announced, as tedious does; `v1`: 24 bytes of the first version. */
  readonly nt?: 'v2' | 'proof' | 'v1' | 'none';
  /** The first message as the client says that it sent it. */
  readonly negotiated?: Buffer;
};

/** The third message. */
export function answer(challenge: Buffer, options: AnswerOptions = {}): Buffer {
  const { domain = 'CONTOSO', user = 'svc', password = 'Pa55-wörd', mic = true, nt = 'v2' } = options;
  const nonce = challenge.subarray(24, 32);
  const pairs = pairsOf(challenge);
  const withFlags = mic ? Buffer.concat([Buffer.from('0600040002000000', 'hex'), pairs]) : pairs;
  const blob = Buffer.concat([
    Buffer.from('0101000000000000', 'hex'),
    Buffer.alloc(8),
    clientChallenge,
    Buffer.alloc(4),
    withFlags,
    Buffer.alloc(4),
  ]);
  const identity = Buffer.from(user.toUpperCase() + (options.provenDomain ?? domain), 'utf16le');
  const key = hmac(ntHash(password), identity);
  const proof = hmac(key, nonce, blob);
  const lm = Buffer.concat([hmac(key, nonce, clientChallenge), clientChallenge]);
  const responses = { v2: Buffer.concat([proof, blob]), proof, v1: Buffer.alloc(24, 1), none: Buffer.alloc(0) };
  const lmOf = nt === 'proof' ? lm : Buffer.alloc(24);
  const message = assemble([lmOf, responses[nt], Buffer.from(domain, 'utf16le'), Buffer.from(user, 'utf16le')]);
  if (mic) hmac(hmac(key, proof), options.negotiated ?? negotiate, challenge, message).copy(message, 72);
  return message;
}

function pairsOf(challenge: Buffer): Buffer {
  const [length, at] = [challenge.readUInt16LE(40), challenge.readUInt32LE(44)];
  return challenge.subarray(at, at + length);
}

function assemble(fields: readonly Buffer[]): Buffer {
  const fixed = Buffer.alloc(88);
  signature.copy(fixed);
  fixed.writeUInt32LE(3, 8);
  fixed.writeUInt32LE(0x0208_8205, 60);
  let end = fixed.length;
  for (const [at, field] of [...fields, Buffer.alloc(0), Buffer.alloc(0)].entries()) {
    fixed.writeUInt16LE(field.length, 12 + at * 8);
    fixed.writeUInt16LE(field.length, 14 + at * 8);
    fixed.writeUInt32LE(end, 16 + at * 8);
    end += field.length;
  }
  return Buffer.concat([fixed, ...fields]);
}

function hmac(key: Buffer, ...parts: readonly Buffer[]): Buffer {
  const sum = createHmac('md5', key);
  for (const part of parts) sum.update(part);
  return sum.digest();
}
