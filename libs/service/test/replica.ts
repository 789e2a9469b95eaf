/**
 * One replica of a small service as a process of its own. Its runner sends a line to a file, which stands for a server that cannot tell old
 * leaders from new ones, and records a row.
 */
import { appendFileSync, writeSync } from 'node:fs';
import type { MessagingTables } from '@holdfast/messaging';
import type { SqlServerLocation, StoreLocation } from '@holdfast/store';
import { createLogger, runMain } from '../src/index.ts';
import { createSubgraphHost, type HostDependencies, runs } from '../src/host.ts';
import type { RunnerDefinition } from '../src/runner.ts';

export type ReplicaOptions = {
  readonly folder: string;
  readonly key: string;
  /** A file of the folder when it names one. */
  readonly location: StoreLocation;
  readonly replaceAfterMs: number;
  /** The process stops itself (SIGSTOP) between the third decision and its statement. */
  readonly freezes?: boolean;
};
type Tables = MessagingTables & { look: { seq: number; fencing_token: number } };

const { folder, key, location, replaceAfterMs, freezes = false } = JSON.parse(process.argv[2] ?? '') as ReplicaOptions;
const server = 'sqlServer' in location ? location.sqlServer : undefined;
let decisions = 0;

await runMain(() =>
  createSubgraphHost<Tables, { token: number }>({
    name: 'inventory',
    config: {
      http: { host: '127.0.0.1', port: 0 },
      stateFolder: folder,
      signingKey: 'env:NONE',
      ...(server && { store: { sqlServer: settingsOf(server) } }),
    },
    overrides: {
      signingKey: Buffer.from(key),
      env: { STORE_USER: server?.credentials.user, STORE_PASSWORD: server?.credentials.password },
      logger: createLogger({
        service: 'inventory',
        level: 'info',
        destination: { write: text => void writeSync(1, text) },
      }),
      lease: { beatEveryMs: 50, replaceAfterMs, blockedLimitMs: 300 },
      hook: name => {
        if (freezes && name === 'looks/send/decided' && ++decisions === 3) process.kill(process.pid, 'SIGSTOP');
      },
    },
    schemaText: 'type Query { token: Int! }',
    migrations: new URL('./migrations/', import.meta.url),
    codec: { render: (_contract, payload) => ({ payload }), parse: () => ({ ok: false, problem: 'reads no events' }) },
    publishes: [],
    parks: {
      type: 'test.event.parked.v1',
      topic: 'test.dead-letter',
      schema: { safeParse: () => ({ success: false, error: new Error('it reads no events') }) },
      key: ({ key: parked }) => parked,
      subject: ({ eventId }) => eventId,
    },
    resolvers: { Query: { token: (_: unknown, _args: unknown, context: { token: number }) => context.token } },
    context: (_operation, { fencingToken }) => ({ token: fencingToken }),
    runners: dependencies => [runs(looksRunner(dependencies), { intervalMs: 20 })],
  }),
);

function settingsOf({ address, database }: SqlServerLocation) {
  const { port, instanceName, ...rest } = address;
  const place = { ...(port !== null && { port }), ...(instanceName !== null && { instanceName }) };
  return { ...rest, ...place, database, username: 'env:STORE_USER', password: 'env:STORE_PASSWORD' };
}

function looksRunner({
  store,
  fencingToken,
}: HostDependencies<Tables>): RunnerDefinition<string, boolean, string, number> {
  let observations = 0;
  return {
    name: 'looks',
    subjects: async () => ['all'],
    key: subject => subject,
    // Something to do at every other look: each step is followed by a pause.
    observe: async () => (observations += 1) % 2 === 1,
    decide: isDue => (isDue ? 'send' : undefined),
    step: decision => decision,
    act: async () => {
      appendFileSync(`${folder}/sent`, `${String(fencingToken)}\n`);
      return fencingToken;
    },
    record: (_decision, token) =>
      store.transaction(async tx => {
        await tx
          .insertInto('look')
          .columns(['fencing_token'])
          .values({ fencing_token: token } as never)
          .execute();
      }),
  };
}
