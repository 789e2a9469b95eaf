import { createServer, type Socket } from 'node:net';

/**
 * Just enough of TDS 7.4 (tokens: sqlserver.md §8.7, §1.5) to log in, grant the group lock, swallow a RESTORE for ever and answer SET ONLINE with
 * information before its end, in one packet. It exists for one
 * question that no well-behaved server can be asked: what this driver does on a connection that dies. It claims nothing about SQL Server.
 */
export type SilentServer = {
  readonly port: number;
  logins(): number;
  /** Resolves when a RESTORE has arrived; it is never answered. */
  restoreArrived(): Promise<void>;
  /** From now on no statement is answered. */
  fallSilent(): void;
  cutAll(): void;
  close(): Promise<void>;
};

const packet = (body: Buffer): Buffer => {
  const header = Buffer.from([4, 1, 0, 0, 0, 0, 1, 0]);
  header.writeUInt16BE(body.length + header.length, 2);
  return Buffer.concat([header, body]);
};

const done = Buffer.concat([Buffer.from([0xfd]), Buffer.alloc(12)]);
const lengthBefore = (body: Buffer): Buffer => {
  const length = Buffer.alloc(2);
  length.writeUInt16LE(body.length);
  return Buffer.concat([length, body]);
};
const shortText = (text: string) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'utf16le')]);

// VERSION and ENCRYPTION = NOT_SUP.
const prelogin = Buffer.from([0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 16, 0, 0, 0, 0, 0, 2]);
const loginAck = Buffer.concat([
  Buffer.from([0xad]),
  lengthBefore(Buffer.concat([Buffer.from([1, 0x74, 0, 0, 4]), shortText('Fake'), Buffer.from([16, 0, 0, 0])])),
  done,
]);
const integerColumn = (name: string) => Buffer.concat([Buffer.from([0, 0, 0, 0, 9, 0, 0x26, 4]), shortText(name)]);
// result = 0 (granted), sessionId = 77.
const granted = Buffer.concat([
  Buffer.from([0x81, 2, 0]),
  integerColumn('result'),
  integerColumn('sessionId'),
  Buffer.from([0xd1, 4, 0, 0, 0, 0, 4, 77, 0, 0, 0]),
  done,
]);
const told = Buffer.concat([
  Buffer.from([0xab]),
  lengthBefore(Buffer.from([0x8b, 0x0c, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
  done,
]);

export const startSilentServer = async (): Promise<SilentServer> => {
  const sockets = new Set<Socket>();
  let loginCount = 0;
  let isSilent = false;
  let arrived: (() => void) | undefined;
  const restore = new Promise<void>(resolve => (arrived = resolve));
  const answer = (type: number, body: Buffer): Buffer | undefined => {
    if (type === 18) return prelogin;
    if (type === 16) {
      loginCount += 1;
      return loginAck;
    }
    // The text may start at an even or an odd byte.
    const text = body.toString('utf16le') + body.subarray(1).toString('utf16le');
    if (isSilent) return undefined;
    if (text.includes('RESTORE DATABASE')) {
      arrived?.();
      return undefined;
    }
    if (text.includes('SET ONLINE')) return told;
    return text.includes('sp_getapplock') ? granted : done;
  };
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    let received = Buffer.alloc(0);
    socket.on('data', chunk => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 8 && received.length >= received.readUInt16BE(2)) {
        const length = received.readUInt16BE(2);
        const reply = answer(received[0] ?? 0, received.subarray(8, length));
        received = received.subarray(length);
        if (reply !== undefined) socket.write(packet(reply));
      }
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const cutAll = () => sockets.forEach(socket => socket.destroy());
  return {
    port: address.port,
    logins: () => loginCount,
    restoreArrived: () => restore,
    fallSilent: () => void (isSilent = true),
    cutAll,
    close: async () => {
      cutAll();
      await new Promise(resolve => server.close(resolve));
    },
  };
};
