/**
 * varchar and text travel in code page 1252 under the collation that the server announces (SQL_Latin1_General_CP1_CI_AS); what the code page
 * does not have becomes `?`, as it does on a real server.
 */
export const collation = Buffer.from([0x09, 0x04, 0xd0, 0x00, 0x34]);

const decoder = new TextDecoder('windows-1252');
const byteOf = new Map<string, number>();
for (let byte = 0; byte < 256; byte++) byteOf.set(decoder.decode(Uint8Array.of(byte)), byte);

export function encodeCodePage(text: string): Buffer {
  const bytes = Buffer.allocUnsafe(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = byteOf.get(text.charAt(at)) ?? 0x3f;
  return bytes;
}

export function decodeCodePage(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
