/** What an instance with peers runs beside its TDS port: the peer port, and the rounds that end what a crash left open. */
import { setTimeout as delay } from 'node:timers/promises';
import { startPeerServer, type PeerServer } from './peer-server.ts';
import type { PeerHost } from './peer-session.ts';
import { peerDirectory, readPeers } from './peers.ts';
import { startResolver } from './resolver.ts';

export type PeerServiceOptions = PeerHost & {
  readonly file: string;
  readonly port: number;
  readonly report: (error: unknown) => void;
};

/** Between two rounds of questions about transactions in doubt. */
const roundMs = 500;

export async function startPeers(options: PeerServiceOptions): Promise<PeerServer> {
  const { file, engine, report } = options;
  const server = await startPeerServer({ ...options, secret: async () => (await readPeers(file)).secret });
  const resolver = startResolver({
    branches: engine.branches,
    directory: peerDirectory(file),
    serverName: engine.serverName,
    pause: signal => delay(roundMs, undefined, { signal }).catch(() => undefined),
    report,
  });
  return {
    port: server.port,
    close: async () => {
      await resolver.stop();
      await server.close();
    },
  };
}
