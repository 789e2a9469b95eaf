import { openServer } from '../src/index.ts';
import { observeServer } from '../src/observe.ts';
import type { TestServer } from '../src/testing.ts';

// A process of its own, because Node.js reads NODE_EXTRA_CA_CERTS once, at its start.
const { address, credentials } = JSON.parse(process.argv[2] ?? '') as Pick<TestServer, 'address' | 'credentials'>;
const server = await openServer({ address, credentials, applicationName: 'holdfast-suite', clock: Date.now });
console.log((await observeServer(server)).serverName);
await server.close();
