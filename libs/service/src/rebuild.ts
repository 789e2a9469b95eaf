import { createHash, type Hash } from 'node:crypto';
import { writeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  type Bus,
  type Consumer,
  createConsumer,
  createOutbox,
  eventLogOf,
  type MessagingTables,
} from '@holdfast/messaging';
import type { Holder, Lease, Reader, Store, Transactor } from '@holdfast/store';
import { openEventBus } from './event-bus.ts';
import type { HostDefinition, HostDependencies, HostOverrides } from './host-definition.ts';
import { projectionOf } from './host-messaging.ts';
import { newId } from './ids.ts';
import { createLifecycle, type Part, runMain, type Service } from './lifecycle.ts';
import { createLogger, type Logger } from './logger.ts';
import { renderHolder, type ServiceState, stateOf } from './service-state.ts';

/** The tables that hold nothing but what events said, each with its key, in whose order the rows are compared. */
export type Projections<DB> = { readonly [Table in keyof DB & string]?: readonly (keyof DB[Table] & string)[] };

export type Rebuilt = {
  readonly service: string;
  /** Rows of each projection afterwards. */
  readonly rebuilt: Readonly<Record<string, number>>;
  /** Of all rows of all projections: once everything known was applied, and when everything was applied from the first event. */
  readonly sha256Before: string;
  readonly sha256After: string;
  /** Events that could not be applied this time either. */
  readonly deadLetters: number;
};

/** What a service does in place of its work. `log`: its outbox is there for another one to be rebuilt from, where they share an embedded bus. */
export type RebuildOrder =
  { readonly role: 'rebuild'; readonly tell: (rebuilt: Rebuilt) => void } | { readonly role: 'log' };

/** Names what stands in the way and what to do about it. */
export class RebuildRefusal extends Error {
  override readonly name: 'STILL_LED' | 'NO_LOG' | 'NO_PROJECTIONS';
  constructor(name: RebuildRefusal['name'], message: string) {
    super(message);
    this.name = name;
  }
}

/**
 * For main.ts: `--rebuild` empties the service's projections and fills them from the first event on, prints a line of JSON (`Rebuilt`) and
 * ends. Without it the service runs.
 */
export async function runOrRebuild(
  args: readonly string[],
  create: (overrides: Pick<HostOverrides, 'rebuild'>) => Service,
): Promise<void> {
  await runMain(() => {
    const { values } = parseArgs({ args: [...args], options: { rebuild: { type: 'boolean', default: false } } });
    return create(values.rebuild ? { rebuild: { role: 'rebuild', tell: printRebuilt } } : {});
  });
}

export function printRebuilt(rebuilt: Rebuilt): void {
  writeSync(1, `${JSON.stringify(rebuilt)}\n`);
}

type Definition<DB extends MessagingTables, Context extends object> = Pick<
  HostDefinition<DB, Context>,
  'name' | 'config' | 'overrides' | 'migrations' | 'codec' | 'publishes' | 'parks' | 'reactions' | 'projections'
>;

/**
 * The service reduced to lease, store and consumer: neither runners nor a subgraph rest on projections while they are emptied. Killed
 * anywhere, the next start of the service, or another rebuild, goes on: emptied and forgotten are one transaction, and what an event did to
 * the service's own state is not done again (`on` in libs/messaging).
 */
export function createRebuild<DB extends MessagingTables, Context extends object>(
  definition: Definition<DB, Context>,
  order: RebuildOrder,
): Service {
  const { name, overrides } = definition;
  // Standard output is for what was done.
  const destination = { write: (text: string): boolean => process.stderr.write(text) };
  const logger = overrides.logger ?? createLogger({ service: name, level: 'info', destination });
  const stopping = new AbortController();
  const done = Promise.withResolvers<undefined>();
  const rebuild = new Rebuild(definition, order, logger, stopping.signal);
  const lifecycle = createLifecycle(rebuild.parts(), { logger });
  let isThrough = false;
  return {
    name,
    // It answers nowhere.
    listening: new Promise(() => undefined),
    done: done.promise,
    async start() {
      await lifecycle.start();
      isThrough = true;
      if (order.role === 'rebuild') done.resolve(undefined);
      return { url: '' };
    },
    async stop() {
      stopping.abort(new Error(`The rebuild of ${name} was stopped.`));
      const { hung, failed } = await lifecycle.stop();
      const problems = [...hung, ...failed.map(({ part }) => part)];
      if (problems.length > 0) throw new Error(`did not stop: ${problems.join(', ')}`);
      if (!isThrough)
        throw new Error('it was not through. Started again, with --rebuild or as usual, it reads the rest');
    },
  };
}

const lookEveryMs = 200;
const tellEveryMs = 5_000;

class Rebuild<DB extends MessagingTables, Context extends object> {
  readonly #definition: Definition<DB, Context>;
  readonly #order: RebuildOrder;
  readonly #logger: Logger;
  readonly #signal: AbortSignal;
  #state: ServiceState<DB> | undefined;
  #lease: Lease | undefined;
  #store: Store<DB> | undefined;
  #ownBus: Bus | undefined;

  constructor(definition: Definition<DB, Context>, order: RebuildOrder, logger: Logger, signal: AbortSignal) {
    this.#definition = definition;
    this.#order = order;
    this.#logger = logger;
    this.#signal = signal;
  }

  parts(): Part[] {
    return [
      { name: 'lease', start: () => this.#lead(), stop: () => this.#lease?.release() },
      { name: 'store', start: () => this.#openStore(), stop: () => this.#store?.close() },
      { name: 'rebuild', start: () => this.#work(), stop: () => undefined },
    ];
  }

  /** Waits for nobody: who rebuilds wants to know that the service still runs. */
  async #lead(): Promise<void> {
    const { name } = this.#definition;
    this.#requireLog();
    const refused = new AbortController();
    this.#state = await stateOf<DB>(this.#definition);
    this.#lease = await this.#state.lead({
      signal: AbortSignal.any([this.#signal, refused.signal]),
      waiting: holder => refused.abort(stillLed(name, holder)),
    });
  }

  #requireLog(): void {
    const { name, config, overrides } = this.#definition;
    if (overrides.bus !== undefined || config.kafka !== undefined) return;
    throw new RebuildRefusal(
      'NO_LOG',
      `NO_LOG: ${name} alone has no log of the other services on the embedded bus. Rebuild it where they are together: all-in-one --rebuild ${name}. Over Kafka, configure kafka.brokers.`,
    );
  }

  async #openStore(): Promise<void> {
    const blocked = (why: string): void => this.#logger.warn(why);
    this.#store = await known(this.#state).open(known(this.#lease), { signal: this.#signal, blocked });
  }

  async #work(): Promise<void> {
    const order = this.#order;
    const bus = await this.#bus();
    try {
      // Its own events too: a service may hear itself.
      await this.#register(bus);
      if (order.role === 'rebuild') order.tell(await this.#rebuild(bus));
    } finally {
      await this.#ownBus?.close();
    }
  }

  async #bus(): Promise<Bus> {
    const { name: service, config, overrides } = this.#definition;
    if (overrides.bus !== undefined) return overrides.bus;
    const { kafka } = config;
    return (this.#ownBus = await openEventBus({ service, kafka, env: overrides.env ?? {}, logger: this.#logger }));
  }

  async #register(bus: Bus): Promise<void> {
    const { name, publishes, parks } = this.#definition;
    const topics = [...new Set([...publishes, parks].map(({ topic }) => topic))];
    await bus.register({ name, topics, log: eventLogOf(known(this.#store)) });
  }

  async #rebuild(bus: Bus): Promise<Rebuilt> {
    const { name, projections = {} } = this.#definition;
    const tables = Object.entries<readonly string[]>(projections);
    if (tables.length === 0)
      throw new RebuildRefusal('NO_PROJECTIONS', `NO_PROJECTIONS: ${name} keeps nothing of what others tell.`);
    const store = known(this.#store);
    const consumer = this.#consumer(bus);
    await consumer.start();
    try {
      await this.#caughtUp(consumer);
      const before = await contentsOf(store, tables);
      await consumer.rebuild(tx => clear(tx, tables));
      await this.#caughtUp(consumer);
      const after = await contentsOf(store, tables);
      return {
        service: name,
        rebuilt: after.rows,
        sha256Before: before.sha256,
        sha256After: after.sha256,
        deadLetters: (await consumer.deadLetters()).length,
      };
    } finally {
      await consumer.stop();
    }
  }

  #consumer(bus: Bus): Consumer<DB> {
    const { name, codec, overrides, parks, reactions } = this.#definition;
    const { clock = Date.now, env = {} } = overrides;
    const store = known(this.#store);
    const dependencies: HostDependencies<DB> = {
      store,
      outbox: createOutbox({ service: name, codec, clock, newId: () => newId(clock) }),
      clock,
      logger: this.#logger,
      env,
      fencingToken: known(this.#lease).fencingToken,
    };
    return createConsumer({
      store,
      bus,
      name: projectionOf(name),
      codec,
      subscriptions: reactions?.(dependencies) ?? [],
      clock,
      deadLetters: { outbox: dependencies.outbox, contract: parks },
      isAlone: true,
    });
  }

  /** Until nothing is left; says every few seconds what it waits for. */
  async #caughtUp(consumer: Consumer<DB>): Promise<void> {
    for (let toldAt = performance.now(); ;) {
      this.#signal.throwIfAborted();
      const { lag, failing } = await consumer.stats();
      if (lag === 0 && failing === 0) return;
      if (performance.now() - toldAt > tellEveryMs) {
        toldAt = performance.now();
        this.#logger.info({ lag, ...(await consumer.check()) }, 'events are left');
      }
      await setTimeout(lookEveryMs);
    }
  }
}

function stillLed(name: string, holder: Holder | undefined): RebuildRefusal {
  const by = renderHolder(holder) ?? 'another process';
  return new RebuildRefusal('STILL_LED', `STILL_LED: ${name} is led by ${by}. Stop it and its replicas, then rebuild.`);
}

type AnyTables = Record<string, Record<string, unknown>>;

async function clear<DB>(tx: Transactor<DB>, tables: readonly (readonly [string, unknown])[]): Promise<void> {
  const own = tx as unknown as Transactor<AnyTables>;
  for (const [table] of tables) await own.deleteFrom(table).execute();
}

async function contentsOf<DB>(
  store: Store<DB>,
  tables: readonly (readonly [string, readonly string[]])[],
): Promise<{ readonly rows: Record<string, number>; readonly sha256: string }> {
  const hash = createHash('sha256');
  const rows: Record<string, number> = {};
  for (const [table, key] of tables.toSorted(([one], [other]) => (one < other ? -1 : 1))) {
    hash.update(`${table}\n`);
    rows[table] = await store.read(db => addRows(hash, db as unknown as Reader<AnyTables>, table, key));
  }
  return { rows, sha256: hash.digest('hex') };
}

async function addRows(hash: Hash, db: Reader<AnyTables>, table: string, key: readonly string[]): Promise<number> {
  let query = db.selectFrom(table).selectAll();
  for (const column of key) query = query.orderBy(column);
  const rows = await query.execute();
  for (const row of rows) {
    const columns = Object.entries(row).toSorted(([one], [other]) => (one < other ? -1 : 1));
    hash.update(
      `${JSON.stringify(columns, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))}\n`,
    );
  }
  return rows.length;
}

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('A part was used before it was started.');
  return value;
}
