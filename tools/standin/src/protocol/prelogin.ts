import { ByteWriter, ProtocolError } from './bytes.ts';

/** ENCRYPTION of PRELOGIN (sqlserver.md §8.6). */
export const encryption = { off: 0, on: 1, notSupported: 2, required: 3 } as const;

/** What of a connection is encrypted. */
export type EncryptedPart = 'nothing' | 'login' | 'everything';

/**
 * The server's answer to a client's ENCRYPTION (MS-TDS 2.2.6.5; that REQ is answered as ON: unverified). `refused`: the client cannot encrypt where
 * it has to, and is told so by an answer that ends the connection. undefined: a value that is not known here.
 */
export function agreeOnEncryption(
  asked: number,
  forced: boolean,
): { readonly answer: number; readonly part: EncryptedPart | 'refused' } | undefined {
  switch (asked) {
    case encryption.off:
      return forced ? { answer: encryption.required, part: 'everything' } : { answer: encryption.off, part: 'login' };
    case encryption.on:
    case encryption.required:
      return { answer: encryption.on, part: 'everything' };
    case encryption.notSupported:
      return forced
        ? { answer: encryption.required, part: 'refused' }
        : { answer: encryption.notSupported, part: 'nothing' };
    default:
      return undefined;
  }
}

const option = { version: 0, encryption: 1, instance: 2, threadId: 3, mars: 4, terminator: 0xff } as const;

export type Prelogin = { readonly encryption: number };

export function parsePrelogin(payload: Buffer): Prelogin {
  let wanted: number = encryption.notSupported;
  for (let at = 0; ; at += 5) {
    const token = payload[at];
    if (token === undefined) throw new ProtocolError('PRELOGIN without terminator');
    if (token === option.terminator) return { encryption: wanted };
    if (at + 5 > payload.length) throw new ProtocolError('PRELOGIN option is cut off');
    const offset = payload.readUInt16BE(at + 1);
    const length = payload.readUInt16BE(at + 3);
    if (offset + length > payload.length) throw new ProtocolError('PRELOGIN option points outside the message');
    if (token === option.encryption && length > 0) wanted = payload[offset] ?? wanted;
  }
}

/** `version`: major, minor, build of the server, as in 16.0.4236. */
export function renderPrelogin(answer: {
  readonly version: readonly [number, number, number];
  readonly encryption: number;
}): Buffer {
  const [major, minor, build] = answer.version;
  const options: [number, Buffer][] = [
    [option.version, new ByteWriter().u8(major).u8(minor).u16be(build).u16be(0).bytes()],
    [option.encryption, Buffer.from([answer.encryption])],
    [option.instance, Buffer.from([0])],
    [option.threadId, Buffer.alloc(0)],
    [option.mars, Buffer.from([0])],
  ];
  const writer = new ByteWriter();
  let offset = options.length * 5 + 1;
  for (const [token, content] of options) {
    writer.u8(token).u16be(offset).u16be(content.length);
    offset += content.length;
  }
  writer.u8(option.terminator);
  for (const [, content] of options) writer.raw(content);
  return writer.bytes();
}
