/** Stands between clients and an instance and keeps what both sent, as a capture that Wireshark's tools read. */
import { writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export type Piece = { readonly from: 'client' | 'server'; readonly bytes: Buffer };

export type Recorder = {
  readonly port: number;
  /** One list for each connection, in order. */
  readonly conversations: readonly (readonly Piece[])[];
  close(): Promise<void>;
};

export async function startRecorder(serverPort: number): Promise<Recorder> {
  const conversations: Piece[][] = [];
  const open = new Set<Socket>();
  const server = createServer(client => {
    const pieces: Piece[] = [];
    conversations.push(pieces);
    const upstream = connect(serverPort, '127.0.0.1');
    const pass = (from: Piece['from'], source: Socket, target: Socket): void => {
      open.add(source);
      source.setNoDelay(true);
      source.on('data', bytes => {
        pieces.push({ from, bytes });
        target.write(bytes);
      });
      source.on('end', () => target.end());
      // The error says no more than the close that follows it.
      source.on('error', () => source.destroy());
      source.on('close', () => {
        open.delete(source);
        target.destroySoon();
      });
    };
    pass('client', client, upstream);
    pass('server', upstream, client);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    conversations,
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

/** The port under which the capture shows the server. */
export const capturedPort = 1433;
const firstClientPort = 20_000;
const rawIp = 101;
/** What fits into one IPv4 packet with its headers; reassembling is the reader's work. */
const segmentBytes = 60_000;
const tcp = { fin: 0x01, syn: 0x02, push: 0x08, ack: 0x10 } as const;

/** Classic pcap of IPv4 packets; checksums are zero, which readers do not look at unless told to. */
export function writeCapture(file: string, conversations: readonly (readonly Piece[])[]): void {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(0x40000, 16);
  header.writeUInt32LE(rawIp, 20);
  const packets: Buffer[] = [header];
  for (const [at, pieces] of conversations.entries()) packets.push(...packetsOf(pieces, firstClientPort + at));
  writeFileSync(file, Buffer.concat(packets));
}

function packetsOf(pieces: readonly Piece[], clientPort: number): Buffer[] {
  const next = { client: 1000, server: 5000 };
  const packets: Buffer[] = [];
  const send = (from: Piece['from'], flags: number, content: Buffer): void => {
    const other = from === 'client' ? 'server' : 'client';
    const ports: [number, number] = from === 'client' ? [clientPort, capturedPort] : [capturedPort, clientPort];
    packets.push(segment(ports, [next[from], next[other]], flags, content));
    next[from] += content.length + ((flags & (tcp.syn | tcp.fin)) === 0 ? 0 : 1);
  };
  send('client', tcp.syn, Buffer.alloc(0));
  send('server', tcp.syn | tcp.ack, Buffer.alloc(0));
  send('client', tcp.ack, Buffer.alloc(0));
  for (const { from, bytes } of pieces)
    for (let at = 0; at < bytes.length; at += segmentBytes)
      send(from, tcp.push | tcp.ack, bytes.subarray(at, at + segmentBytes));
  send('client', tcp.fin | tcp.ack, Buffer.alloc(0));
  send('server', tcp.fin | tcp.ack, Buffer.alloc(0));
  return packets;
}

function segment(ports: [number, number], numbers: [number, number], flags: number, content: Buffer): Buffer {
  const bytes = Buffer.alloc(16 + 20 + 20);
  const length = 40 + content.length;
  bytes.writeUInt32LE(length, 8);
  bytes.writeUInt32LE(length, 12);
  bytes.writeUInt8(0x45, 16);
  bytes.writeUInt16BE(length, 18);
  bytes.writeUInt8(64, 24);
  bytes.writeUInt8(6, 25);
  bytes.set([127, 0, 0, 1, 127, 0, 0, 1], 28);
  bytes.writeUInt16BE(ports[0], 36);
  bytes.writeUInt16BE(ports[1], 38);
  bytes.writeUInt32BE(numbers[0] >>> 0, 40);
  bytes.writeUInt32BE((flags & tcp.ack) === 0 ? 0 : numbers[1] >>> 0, 44);
  bytes.writeUInt8(0x50, 48);
  bytes.writeUInt8(flags, 49);
  bytes.writeUInt16BE(0xffff, 50);
  return Buffer.concat([bytes, content]);
}
