import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Bus,
  createConsumer,
  createEmbeddedBus,
  createOutbox,
  createRelay,
  eventLogOf,
  type EventCodec,
  messagingMigrations,
  type MessagingTables,
  type Outbox,
  type Reaction,
} from '@holdfast/messaging';
import {
  acquireLease,
  type Lease,
  loadMigrations,
  migrate,
  type MigrationSource,
  openStore,
  type Store,
} from '@holdfast/store';
import { parse } from 'graphql';
import { Registry } from 'prom-client';
import type { Clock } from './clock.ts';
import type { HealthCheck } from './health.ts';
import { newId } from './ids.ts';
import { createLifecycle, type Part, type Service } from './lifecycle.ts';
import { createLogger, type Logger } from './logger.ts';
import { type CheckpointHook, type RunnerDefinition, type RunnerLoop, startRunner } from './runner.ts';
import { resolveSecret } from './secrets.ts';
import {
  type OperationContext,
  type RunningSubgraph,
  startSubgraph,
  type SubgraphResolvers,
} from './subgraph-server.ts';
import type { SubgraphSettings } from './subgraph-settings.ts';

export { findEarlierRequest, rememberRequest, type IdempotencyTables, type IdempotentRequest } from './idempotency.ts';
export { subgraphSettings, type SubgraphSettings } from './subgraph-settings.ts';

/** What a process or a test may put in the place of the real thing. */
export type HostOverrides = {
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly signingKey?: Uint8Array;
  /** Shared by the services of one process; left out: a bus of its own, on which only this service speaks. */
  readonly bus?: Bus;
  /** Where secret references `env:NAME` are looked up. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Called at every checkpoint of every runner. */
  readonly hook?: CheckpointHook;
};

/** What a service's parts work with, once its store is open and it leads. */
export type HostDependencies<DB> = {
  readonly store: Store<DB>;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Raised at every change of leader; travels in program names to the servers we change. */
  readonly fencingToken: number;
};

/** A runner and how often it looks without being woken. Made by `runs`. */
export type HostedRunner = {
  readonly name: string;
  start(options: {
    clock: Clock;
    logger: Logger;
    wakeOn: (listener: () => void) => () => void;
    hook?: CheckpointHook;
  }): RunnerLoop;
};

export function runs<Subject, Observation, Decision, Outcome>(
  runner: RunnerDefinition<Subject, Observation, Decision, Outcome>,
  options: { readonly intervalMs: number; readonly parallel?: number },
): HostedRunner {
  return { name: runner.name, start: shared => startRunner(runner, { ...shared, ...options }) };
}

export type HostDefinition<DB extends MessagingTables, Context extends object> = {
  readonly name: string;
  readonly config: SubgraphSettings;
  readonly overrides: HostOverrides;
  /** SDL. */
  readonly schemaText: string;
  readonly migrations: URL;
  readonly codec: EventCodec;
  /** Contracts of the events that it emits. */
  readonly publishes: readonly { readonly topic: string }[];
  readonly resolvers: SubgraphResolvers;
  context(operation: OperationContext, dependencies: HostDependencies<DB>): Context;
  reactions?(dependencies: HostDependencies<DB>): readonly Reaction<DB>[];
  runners?(dependencies: HostDependencies<DB>): readonly HostedRunner[];
  /** Closed after the runners have stopped: connections they kept. */
  close?(): Promise<void>;
};

/**
 * One subgraph service, composed: lease → store → relay → consumer → runners → subgraph, stopped in reverse. Nothing of it works before it
 * leads its store, and the subgraph is the first to go, so that no answer rests on parts that have stopped.
 */
export function createSubgraphHost<DB extends MessagingTables, Context extends object>(
  definition: HostDefinition<DB, Context>,
): Service {
  const { name, overrides } = definition;
  const logger = overrides.logger ?? createLogger({ service: name, level: 'info' });
  const waiting = new AbortController();
  const host = new Host(definition, logger);
  const lifecycle = createLifecycle(host.parts(waiting.signal), { logger });
  return {
    name,
    async start() {
      await lifecycle.start();
      const url = host.url();
      logger.info({ url }, `${name} answers`);
      return { url };
    },
    async stop() {
      // A service that still waits to lead gives up waiting.
      waiting.abort(new Error(`${name} was stopped before it led its store`));
      const { hung, failed } = await lifecycle.stop();
      if (hung.length > 0 || failed.length > 0)
        throw new Error(`did not stop: ${[...hung, ...failed.map(({ part }) => part)].join(', ')}`);
    },
  };
}

class Host<DB extends MessagingTables, Context extends object> {
  readonly #definition: HostDefinition<DB, Context>;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #bus: Bus;
  readonly #ownBus: boolean;
  readonly #checks: HealthCheck[] = [];
  readonly #started = { runners: [] as { name: string; loop: RunnerLoop }[] };
  #lease: Lease | undefined;
  #dependencies: HostDependencies<DB> | undefined;
  #subgraph: RunningSubgraph | undefined;
  #stopMessaging: (() => Promise<void>)[] = [];

  constructor(definition: HostDefinition<DB, Context>, logger: Logger) {
    this.#definition = definition;
    this.#logger = logger;
    this.#clock = definition.overrides.clock ?? Date.now;
    this.#ownBus = definition.overrides.bus === undefined;
    this.#bus = definition.overrides.bus ?? createEmbeddedBus();
  }

  url(): string {
    return known(this.#subgraph).url;
  }

  parts(stopWaiting: AbortSignal): Part[] {
    return [
      { name: 'lease', start: () => this.#lead(stopWaiting), stop: () => this.#lease?.release() },
      { name: 'store', start: () => this.#openStore(), stop: () => this.#dependencies?.store.close() },
      { name: 'messaging', start: () => this.#startMessaging(), stop: () => this.#endMessaging() },
      { name: 'runners', start: () => this.#startRunners(), stop: () => this.#endRunners() },
      { name: 'subgraph', start: () => this.#startSubgraph(), stop: () => this.#subgraph?.stop() },
    ];
  }

  async #lead(signal: AbortSignal): Promise<void> {
    const { config, name } = this.#definition;
    await mkdir(config.stateFolder, { recursive: true });
    const lease = await acquireLease({ file: join(config.stateFolder, `${name}.lease.db`), signal });
    this.#lease = lease;
    this.#checks.push({ name: 'leader', check: () => ({ ok: lease.held() }) });
  }

  async #openStore(): Promise<void> {
    const { config, name, migrations, codec, overrides } = this.#definition;
    const clock = this.#clock;
    const store = openStore<DB>({ file: join(config.stateFolder, `${name}.db`) });
    this.#dependencies = {
      store,
      outbox: createOutbox({ service: name, codec, clock, newId: () => newId(clock) }),
      clock,
      logger: this.#logger,
      env: overrides.env ?? {},
      fencingToken: known(this.#lease).fencingToken,
    };
    const own = { source: name, migrations: await loadMigrations(migrations, 'sqlite') };
    await migrate(store, [...(await shellMigrations()), own], clock);
  }

  async #startMessaging(): Promise<void> {
    const { name, publishes, codec } = this.#definition;
    const dependencies = known(this.#dependencies);
    const { store, clock } = dependencies;
    const topics = [...new Set(publishes.map(({ topic }) => topic))];
    if (topics.length > 0) {
      await this.#bus.register({ name, topics, log: eventLogOf(store) });
      const relay = createRelay({ store, bus: this.#bus, service: name, publishes, clock });
      await relay.start();
      this.#stopMessaging.push(relay.stop);
      this.#checks.push(relay);
    }
    const subscriptions = this.#definition.reactions?.(dependencies) ?? [];
    if (subscriptions.length > 0) {
      const consumer = createConsumer({
        store,
        bus: this.#bus,
        name: `${name}.projection`,
        codec,
        subscriptions,
        clock,
      });
      await consumer.start();
      this.#stopMessaging.push(consumer.stop);
      this.#checks.push(consumer);
    }
  }

  async #endMessaging(): Promise<void> {
    for (const stop of this.#stopMessaging.reverse()) await stop();
    if (this.#ownBus) await this.#bus.close();
  }

  #startRunners(): void {
    const dependencies = known(this.#dependencies);
    const { store, clock, logger } = dependencies;
    const { hook } = this.#definition.overrides;
    const wakeOn = (listener: () => void) => store.afterCommit(listener);
    for (const runner of this.#definition.runners?.(dependencies) ?? []) {
      const loop = runner.start({ clock, logger, wakeOn, ...(hook === undefined ? {} : { hook }) });
      this.#started.runners.push({ name: runner.name, loop });
      // A server of the estate that does not answer is a fact to show, no reason to take this service out of use.
      const check = () => ({ ok: true, detail: renderFailing(loop.failing()) });
      this.#checks.push({ name: runner.name, check });
    }
  }

  async #endRunners(): Promise<void> {
    await Promise.all(this.#started.runners.map(({ loop }) => loop.stop()));
    await this.#definition.close?.();
  }

  async #startSubgraph(): Promise<void> {
    const { name, config, overrides, schemaText, resolvers } = this.#definition;
    const dependencies = known(this.#dependencies);
    this.#subgraph = await startSubgraph({
      name,
      typeDefs: parse(schemaText),
      resolvers,
      ...config.http,
      signingKey:
        overrides.signingKey ?? Buffer.from(await resolveSecret(config.signingKey, { env: dependencies.env }), 'utf8'),
      clock: this.#clock,
      logger: this.#logger,
      registry: new Registry(),
      checks: this.#checks,
      createContext: operation => this.#definition.context(operation, dependencies),
    });
  }
}

function renderFailing(failing: ReadonlyMap<string, string>): string {
  if (failing.size === 0) return 'ok';
  return [...failing].map(([key, message]) => `${key}: ${message}`).join('; ');
}

/** The tables that every service has; to be applied before its own. */
export async function shellMigrations(): Promise<MigrationSource[]> {
  const folder = new URL('../migrations/', import.meta.url);
  return [await messagingMigrations(), { source: 'service', migrations: await loadMigrations(folder, 'sqlite') }];
}

/** The lifecycle starts parts in order: what a later one uses is there. */
function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('A part was used before it was started.');
  return value;
}
