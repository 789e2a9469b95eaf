import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger } from '@holdfast/service';
import { GraphQLError } from 'graphql';
import { composeSupergraph } from '../src/composition.ts';
import { type GatewayConfig, gatewaySchema } from '../src/config.ts';
import { createGateway, type GatewayOverrides } from '../src/service.ts';
import { audience, bearer, issuer, ManualClock, signingKey, type TokenWishes, writePublicKey } from './identity.ts';
import { startTestSubgraph, type SubgraphContext, type TestSubgraph } from './test-subgraph.ts';
import { temporaryFolder } from './temporary-folder.ts';

const link = (imports: string): string =>
  `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: [${imports}])`;

export const inventorySdl = `${link('"@key", "@requiresScopes"')}
  type Query { groups: [Group!]! group: Group me: String! refused: String crashed: String guarded: String @requiresScopes(scopes: [["admin"]]) }
  type Mutation { rename(name: String!): String! }
  type Subscription { ticks: Tick! denied: Int! }
  type Tick { n: Int! group: Group }
  type Group @key(fields: "id") { id: ID! name: String! parent: Group }`;

export const backupSdl = `${link('"@key"')}
  type Query { backupHealth: String }
  type Group @key(fields: "id") { id: ID! plan: String }`;

export type Ticker = { open: number; push(n: number): void };
export type Answer = { status: number; body: { data?: Record<string, unknown> | null; errors?: ShownError[] } };
export type ShownError = { message: string; path?: (string | number)[]; extensions: Record<string, unknown> };

export type Estate = {
  readonly url: string;
  readonly clock: ManualClock;
  readonly inventory: TestSubgraph;
  readonly backup: TestSubgraph;
  readonly ticker: Ticker;
  readonly renames: string[];
  token(wishes?: Omit<TokenWishes, 'nowMs'>): Promise<string>;
  ask(
    query: string,
    more?: { authorization?: string | undefined; body?: object; headers?: Record<string, string> },
  ): Promise<Answer>;
  stop(): Promise<void>;
  stopGateway(): Promise<void>;
};

export type EstateWishes = {
  readonly config?: Partial<GatewayConfig>;
  readonly overrides?: GatewayOverrides;
  /** Short where a subgraph keeps silent; elsewhere no test may depend on how busy the machine is. */
  readonly upstreamTimeoutMs?: number;
};

/** Two subgraphs and the gateway in front of them, all over TCP. */
export async function startEstate({ config, overrides, upstreamTimeoutMs }: EstateWishes = {}): Promise<Estate> {
  const clock = new ManualClock();
  const ticker = createTicker();
  const renames: string[] = [];
  const inventory = await startTestSubgraph('inventory', inventorySdl, inventoryResolvers(ticker, renames), clock);
  const backup = await startTestSubgraph('backup', backupSdl, backupResolvers, clock);
  const gateway = createGateway(
    { ...gatewayConfig({ inventory: inventory.url, backup: backup.url }, upstreamTimeoutMs), ...config },
    { clock, signingKey, drainMs: 5_000, logger: createLogger({ service: 'gateway', level: 'fatal' }), ...overrides },
  );
  const { url } = await gateway.start();
  const token = (wishes: Omit<TokenWishes, 'nowMs'> = {}): Promise<string> => bearer({ nowMs: clock.now(), ...wishes });
  return {
    ...{ url, clock, inventory, backup, ticker, renames, token },
    async ask(query, more = {}) {
      const authorization = 'authorization' in more ? more.authorization : await token();
      const headers = {
        'content-type': 'application/json',
        ...(authorization === undefined ? {} : { authorization }),
        ...more.headers,
      };
      const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query, ...more.body }) });
      return { status: response.status, body: (await response.json()) as Answer['body'] };
    },
    stopGateway: () => gateway.stop(),
    async stop() {
      inventory.release();
      backup.release();
      await gateway.stop();
      await Promise.all([inventory.stop(), backup.stop()]);
    },
  };
}

export function gatewayConfig(subgraphs: Record<string, string>, upstreamTimeoutMs = 20_000): GatewayConfig {
  const composed = composeSupergraph([
    { name: 'inventory', sdl: inventorySdl },
    { name: 'backup', sdl: backupSdl },
  ]);
  if (!composed.ok) throw new Error(composed.errors.join('\n'));
  const folder = temporaryFolder();
  const supergraphFile = join(folder, 'supergraph.graphql');
  writeFileSync(supergraphFile, composed.supergraphSdl);
  const auth = { issuer, audience, publicKeyFile: writePublicKey(folder) };
  return gatewaySchema.parse({
    subgraphs,
    supergraphFile,
    auth,
    signingKey: 'env:UNUSED',
    limits: { upstreamTimeoutMs },
  });
}

/** Waits for a condition, at most ten seconds. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

function createTicker(): Ticker & AsyncIterable<{ ticks: object }> {
  const waiting = new Set<(n: number) => void>();
  const ticker = {
    open: 0,
    push(n: number) {
      for (const wake of [...waiting]) wake(n);
    },
    [Symbol.asyncIterator]() {
      let wake: ((n: number) => void) | undefined;
      let stop: (() => void) | undefined;
      ticker.open += 1;
      return {
        next: () =>
          new Promise<IteratorResult<{ ticks: object }>>(resolve => {
            wake = n => resolve({ done: false, value: { ticks: { n, group: { id: 'g1', name: 'one' } } } });
            stop = () => resolve({ done: true, value: undefined });
            waiting.add(wake);
          }),
        return() {
          ticker.open -= 1;
          if (wake) waiting.delete(wake);
          stop?.();
          return Promise.resolve({ done: true as const, value: undefined });
        },
      };
    },
  };
  return ticker;
}

function inventoryResolvers(ticker: AsyncIterable<unknown>, renames: string[]): object {
  const groups = [
    { id: 'g1', name: 'one' },
    { id: 'g2', name: 'two' },
  ];
  return {
    Query: {
      groups: () => groups,
      group: () => groups[0],
      me: (_: unknown, _arguments: unknown, { caller }: SubgraphContext) => JSON.stringify(caller),
      guarded: () => 'for admins',
      crashed() {
        throw new Error('connection string Password=hunter2');
      },
      refused() {
        const extensions = { code: 'FORBIDDEN', retryable: false, traceId: 'trace-1', fix: 'ask', stack: ['insides'] };
        throw new GraphQLError('Not for you.', { extensions });
      },
    },
    Mutation: {
      rename(_: unknown, { name }: { name: string }) {
        renames.push(name);
        return name;
      },
    },
    Subscription: {
      ticks: { subscribe: () => ({ [Symbol.asyncIterator]: () => ticker[Symbol.asyncIterator]() }) },
      denied: {
        subscribe: () => {
          throw new GraphQLError('There is no such thing.', {
            extensions: { code: 'NOT_FOUND', retryable: false, fix: 'Check the id.', secret: 'insides' },
          });
        },
      },
    },
    Group: {
      __resolveReference: ({ id }: { id: string }) => groups.find(group => group.id === id),
      parent: (group: unknown) => group,
    },
  };
}

const backupResolvers = {
  Query: { backupHealth: () => 'well' },
  Group: {
    __resolveReference: ({ id }: { id: string }) => ({ id }),
    plan: ({ id }: { id: string }) => `plan of ${id}`,
  },
};
