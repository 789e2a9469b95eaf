import { ProtocolError } from './bytes.ts';

export type Login7 = {
  /** 0x74000004 = TDS 7.4 (sqlserver.md §8.7). */
  readonly tdsVersion: number;
  readonly packetSize: number;
  readonly hostName: string;
  readonly userName: string;
  readonly password: string;
  readonly programName: string;
  readonly serverName: string;
  readonly database: string;
  readonly language: string;
  readonly integratedSecurity: boolean;
  /** The client's first SSPI token; empty without one. */
  readonly sspi: Buffer;
  /** Feature ids of FEATUREEXT, in the client's order. */
  readonly features: readonly number[];
};

/** Up to the attached-file field, which TDS 7.0 and 7.1 end with too. */
const fixedBytes = 86;
const firstWithFeatures = 0x74000000;
/** Smaller than its predecessors as a number. */
export const tds80 = 0x08000000;
const sspiAt = 78;
const longSspiAt = 90;
const integratedSecurity = 0x80;
const extensionUsed = 0x10;
const featureTerminator = 0xff;

export function parseLogin7(payload: Buffer): Login7 {
  if (payload.length < fixedBytes) throw new ProtocolError('LOGIN7 is cut off');
  const field = (at: number, bytes = payload.readUInt16LE(at + 2) * 2): Buffer => {
    const offset = payload.readUInt16LE(at);
    if (offset + bytes > payload.length) throw new ProtocolError('LOGIN7 field points outside the message');
    return payload.subarray(offset, offset + bytes);
  };
  const text = (at: number): string => field(at).toString('utf16le');
  const tdsVersion = payload.readUInt32LE(4);
  // tedious sets the flag at older versions and at 8.0 too, without an extension behind it.
  const mayHaveFeatures = tdsVersion >= firstWithFeatures || tdsVersion === tds80;
  const featuresUsed = mayHaveFeatures && (payload.readUInt8(27) & extensionUsed) !== 0 && payload.readUInt16LE(58) > 0;
  return {
    tdsVersion,
    packetSize: payload.readUInt32LE(8),
    hostName: text(36),
    userName: text(40),
    password: revealPassword(field(44)),
    programName: text(48),
    serverName: text(52),
    language: text(64),
    database: text(68),
    integratedSecurity: (payload.readUInt8(25) & integratedSecurity) !== 0,
    sspi: field(sspiAt, sspiBytes(payload)),
    features: featuresUsed ? features(payload) : [],
  };
}

/** Counted in bytes; a longer one has its length in a field of its own (MS-TDS; unverified). */
function sspiBytes(payload: Buffer): number {
  const bytes = payload.readUInt16LE(sspiAt + 2);
  if (bytes !== 0xffff || payload.length < longSspiAt + 4) return bytes;
  return payload.readUInt32LE(longSspiAt) || bytes;
}

/** MS-TDS: each byte was XORed with 0xA5 after its nibbles were swapped. */
function revealPassword(bytes: Buffer): string {
  return Buffer.from(bytes.map(byte => (((byte ^ 0xa5) << 4) & 0xf0) | ((byte ^ 0xa5) >> 4))).toString('utf16le');
}

function features(payload: Buffer): number[] {
  const pointer = payload.readUInt16LE(56);
  if (pointer + 4 > payload.length) throw new ProtocolError('LOGIN7 extension points outside the message');
  const ids: number[] = [];
  let at = payload.readUInt32LE(pointer);
  for (;;) {
    const id = payload[at];
    if (id === undefined) throw new ProtocolError('FEATUREEXT without terminator');
    if (id === featureTerminator) return ids;
    if (at + 5 > payload.length) throw new ProtocolError('FEATUREEXT is cut off');
    ids.push(id);
    at += 5 + payload.readUInt32LE(at + 1);
  }
}
