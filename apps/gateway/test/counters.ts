import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger } from '@holdfast/service';
import { composeSupergraph } from '../src/composition.ts';
import { type GatewayConfig, gatewaySchema } from '../src/config.ts';
import { createGateway, type GatewayOverrides } from '../src/service.ts';
import { audience, bearer, issuer, ManualClock, signingKey, writePublicKey } from './identity.ts';
import { startTestSubgraph, type TestSubgraph } from './test-subgraph.ts';
import { temporaryFolder } from './temporary-folder.ts';

const link = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])';
export const countersSdl = `${link}
  type Query { counter: Counter! }
  type Mutation { raise: Int! }
  type Subscription { counter(id: ID!, afterVersion: Int): Counter! marks(after: String): Mark! }
  type Counter @key(fields: "id") { id: ID! version: Int! text: String! }
  type Mark { cursor: String! name: String! }`;
const notesSdl = `${link}
  type Query { notes: Int }
  type Counter @key(fields: "id") { id: ID! note: String }`;

/** What all replicas of the service see: a version with a text, and how often a subscription took one of them. */
export class Counter {
  version = 1;
  text = 'x';
  /** States handed to subscriptions. */
  taken = 0;
  raised = 0;
  /** Arguments of each subscription begun. */
  readonly begun: { afterVersion?: number | null; after?: string | null }[] = [];
  open = 0;
  readonly #waiting = new Set<() => void>();

  raise(): number {
    this.version += 1;
    for (const wake of [...this.#waiting]) wake();
    return this.version;
  }

  /** The current state if it is newer, then newer ones; what comes while nobody asks is merged. */
  after(seen: number, show: (version: number) => object): AsyncIterable<object> {
    let last = seen;
    let wake = (): void => undefined;
    let isEnded = false;
    this.open += 1;
    const next = async (): Promise<IteratorResult<object>> => {
      while (!isEnded && this.version <= last) {
        await new Promise<void>(resolve => {
          wake = resolve;
          this.#waiting.add(wake);
        });
        this.#waiting.delete(wake);
      }
      if (isEnded) return { done: true, value: undefined };
      last = this.version;
      this.taken += 1;
      return { done: false, value: show(last) };
    };
    const end = (): Promise<IteratorResult<object>> => {
      if (!isEnded) this.open -= 1;
      isEnded = true;
      this.#waiting.delete(wake);
      wake();
      return Promise.resolve({ done: true, value: undefined });
    };
    return { [Symbol.asyncIterator]: () => ({ next, return: end }) };
  }
}

function resolversOf(counter: Counter): object {
  const state = (version: number): object => ({ id: 'c1', version, text: counter.text });
  return {
    Query: { counter: () => state(counter.version) },
    Mutation: {
      raise() {
        counter.raised += 1;
        return counter.raise();
      },
    },
    Subscription: {
      counter: {
        subscribe(_: unknown, given: { afterVersion?: number | null }) {
          counter.begun.push(given);
          return counter.after(given.afterVersion ?? -1, version => ({ counter: state(version) }));
        },
      },
      marks: {
        subscribe(_: unknown, given: { after?: string | null }) {
          counter.begun.push(given);
          const show = (version: number): object => ({ marks: { cursor: `at ${version}`, name: counter.text } });
          return counter.after(Number(given.after?.slice(3) ?? -1), show);
        },
      },
    },
    Counter: { __resolveReference: () => state(counter.version) },
  };
}

export type CounterEstate = {
  readonly url: string;
  readonly clock: ManualClock;
  readonly counter: Counter;
  /** In the order of the configuration. */
  readonly replicas: TestSubgraph[];
  readonly notes: TestSubgraph;
  token(): Promise<string>;
  ask(query: string): Promise<{ data?: unknown; errors?: { extensions: object }[] }>;
  /** At the address where it was. */
  startAgain(replica: number): Promise<void>;
  stopGateway(): Promise<void>;
  stop(): Promise<void>;
};

export type CounterWishes = {
  readonly overrides?: GatewayOverrides;
  readonly limits?: Partial<GatewayConfig['limits']>;
  /** Which of the replicas leads at first; there are as many as entries. */
  readonly leading?: readonly boolean[];
};

/** One service with replicas, another one that adds a field to its type, and the gateway in front of them. */
export async function startCounterEstate(wishes: CounterWishes = {}): Promise<CounterEstate> {
  const clock = new ManualClock();
  const counter = new Counter();
  const start = (leads: boolean, port = 0) =>
    startTestSubgraph('counters', countersSdl, resolversOf(counter), clock, { port, leads });
  const replicas = await Promise.all((wishes.leading ?? [true]).map(leads => start(leads)));
  const note = {
    Counter: { __resolveReference: (key: object) => key, note: () => 'noted' },
    Query: { notes: () => 1 },
  };
  const notes = await startTestSubgraph('notes', notesSdl, note, clock);
  const composed = composeSupergraph([
    { name: 'counters', sdl: countersSdl },
    { name: 'notes', sdl: notesSdl },
  ]);
  if (!composed.ok) throw new Error(composed.errors.join('\n'));
  const folder = temporaryFolder();
  const supergraphFile = join(folder, 'supergraph.graphql');
  writeFileSync(supergraphFile, composed.supergraphSdl);
  const config = gatewaySchema.parse({
    // As an environment variable gives them, and as a list.
    subgraphs: { counters: replicas.map(({ url }) => url).join(', '), notes: [notes.url] },
    supergraphFile,
    auth: { issuer, audience, publicKeyFile: writePublicKey(folder) },
    signingKey: 'env:UNUSED',
    limits: { upstreamTimeoutMs: 20_000, ...wishes.limits },
  });
  const logger = createLogger({ service: 'gateway', level: 'fatal' });
  const gateway = createGateway(config, { clock, signingKey, drainMs: 5_000, logger, ...wishes.overrides });
  const { url } = await gateway.start();
  const token = (): Promise<string> => bearer({ nowMs: clock.now() });
  return {
    ...{ url, clock, counter, replicas, notes, token },
    async ask(query) {
      const headers = { 'content-type': 'application/json', authorization: await token() };
      const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query }) });
      return (await response.json()) as Awaited<ReturnType<CounterEstate['ask']>>;
    },
    async startAgain(replica) {
      const before = replicas[replica];
      if (before === undefined) throw new Error('there is no such replica');
      await before.stop();
      replicas[replica] = await start(true, Number(new URL(before.url).port));
    },
    stopGateway: () => gateway.stop(),
    async stop() {
      await gateway.stop();
      await Promise.all([...replicas, notes].map(each => each.stop()));
    },
  };
}
