/** The three messages of NTLM (MS-NLMP §2.2.1). Not in our documents: unverified but for the clients that `test/clients/windows.test.ts` logs in. */
import { ByteWriter, ProtocolError } from './bytes.ts';

const signature = Buffer.from('NTLMSSP\0', 'latin1');
const kind = { negotiate: 1, challenge: 2, authenticate: 3 } as const;

const flag = {
  unicode: 0x0000_0001,
  requestTarget: 0x0000_0004,
  ntlm: 0x0000_0200,
  alwaysSign: 0x0000_8000,
  targetIsDomain: 0x0001_0000,
  extendedSecurity: 0x0008_0000,
  targetInformation: 0x0080_0000,
  version: 0x0200_0000,
  key128: 0x2000_0000,
} as const;

/** No key exchange: nothing is signed or sealed after the login, the session key serves for the MIC alone. */
const challengeFlags = Object.values(flag).reduce((all, each) => all | each, 0) >>> 0;

/** Ids of AV_PAIR. */
const pair = { end: 0, computer: 1, domain: 2, dnsComputer: 3, dnsDomain: 4, flags: 6, timestamp: 7 } as const;
const micProvided = 0x02;
const micAt = 72;
const micBytes = 16;
/** Response version, reserved, time, client challenge, reserved: what stands before the pairs. */
const blobHeadBytes = 28;
const proofBytes = 16;

export type Authenticate = {
  readonly domain: string;
  readonly user: string;
  /** NTProofStr and the client's challenge behind it. */
  readonly ntResponse: Buffer;
  readonly lmResponse: Buffer;
  readonly mic: { readonly value: Buffer; readonly messageWithoutIt: Buffer } | undefined;
};

/** False for what is not the first message of NTLM, as SPNEGO and Kerberos. */
export function isNegotiate(token: Buffer): boolean {
  return token.length >= 16 && token.subarray(0, 8).equals(signature) && token.readUInt32LE(8) === kind.negotiate;
}

/** `now`: also tells the client that it is to add a MIC. */
export function renderChallenge(options: {
  readonly serverChallenge: Buffer;
  readonly domain: string;
  readonly computer: string;
  readonly now: Date;
}): Buffer {
  const { serverChallenge, domain, computer, now } = options;
  const target = Buffer.from(domain, 'utf16le');
  const pairs = new ByteWriter();
  const add = (id: number, value: Buffer): unknown => pairs.u16(id).u16(value.length).raw(value);
  add(pair.domain, target);
  add(pair.computer, Buffer.from(computer, 'utf16le'));
  add(pair.dnsDomain, Buffer.from(domain.toLowerCase(), 'utf16le'));
  add(pair.dnsComputer, Buffer.from(computer.toLowerCase(), 'utf16le'));
  add(pair.timestamp, fileTime(now));
  add(pair.end, Buffer.alloc(0));
  const information = pairs.bytes();
  const fixedBytes = 56;
  const message = new ByteWriter().raw(signature).u32(kind.challenge);
  message.u16(target.length).u16(target.length).u32(fixedBytes).u32(challengeFlags).raw(serverChallenge);
  message.raw(Buffer.alloc(8));
  message
    .u16(information.length)
    .u16(information.length)
    .u32(fixedBytes + target.length);
  // The version of Windows 10, and of NTLM itself.
  message.raw(Buffer.from([10, 0, 0x61, 0x4a, 0, 0, 0, 15]));
  // Both at once and in this order: tedious looks for the pairs right behind the target.
  return Buffer.from(message.raw(target).raw(information).bytes());
}

/** Throws ProtocolError for bytes that are no AUTHENTICATE message. */
export function parseAuthenticate(token: Buffer): Authenticate {
  if (token.length < 64 || !token.subarray(0, 8).equals(signature) || token.readUInt32LE(8) !== kind.authenticate)
    throw new ProtocolError('no NTLM AUTHENTICATE message');
  const field = (at: number): Buffer => {
    const [length, offset] = [token.readUInt16LE(at), token.readUInt32LE(at + 4)];
    if (offset + length > token.length) throw new ProtocolError('NTLM field points outside the message');
    return token.subarray(offset, offset + length);
  };
  const encoding = (token.readUInt32LE(60) & flag.unicode) === 0 ? 'latin1' : 'utf16le';
  const ntResponse = field(20);
  return {
    lmResponse: field(12),
    ntResponse,
    domain: field(28).toString(encoding),
    user: field(36).toString(encoding),
    mic: saysMic(ntResponse) ? micOf(token) : undefined,
  };
}

/** Whether the client's own pairs, which its response protects, announce a MIC. */
function saysMic(ntResponse: Buffer): boolean {
  for (let at = proofBytes + blobHeadBytes; at + 4 <= ntResponse.length;) {
    const [id, length] = [ntResponse.readUInt16LE(at), ntResponse.readUInt16LE(at + 2)];
    if (id === pair.end) return false;
    if (at + 4 + length > ntResponse.length) throw new ProtocolError('NTLM pair points outside the message');
    if (id === pair.flags && length === 4) return (ntResponse.readUInt32LE(at + 4) & micProvided) !== 0;
    at += 4 + length;
  }
  return false;
}

function micOf(token: Buffer): Authenticate['mic'] {
  if (token.length < micAt + micBytes) throw new ProtocolError('NTLM message ends before its MIC');
  const messageWithoutIt = Buffer.from(token);
  messageWithoutIt.fill(0, micAt, micAt + micBytes);
  return { value: token.subarray(micAt, micAt + micBytes), messageWithoutIt };
}

/** 100 ns since 1601. */
function fileTime(now: Date): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE((BigInt(now.getTime()) + 11_644_473_600_000n) * 10_000n);
  return bytes;
}
