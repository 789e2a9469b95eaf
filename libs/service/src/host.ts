import { type Bus, createOutbox, type MessagingTables } from '@holdfast/messaging';
import type { Lease } from '@holdfast/store';
import { parse } from 'graphql';
import { Registry } from 'prom-client';
import type { Clock } from './clock.ts';
import { openEventBus } from './event-bus.ts';
import type { HealthCheck, HealthState } from './health.ts';
import { newId } from './ids.ts';
import { holdsIn } from './hold.ts';
import type { HostDefinition, HostDependencies } from './host-definition.ts';
import { type HostedMessaging, startMessaging } from './host-messaging.ts';
import { stepsWhileLeading } from './leading.ts';
import { createLifecycle, type Part, type Service } from './lifecycle.ts';
import { createLogger, type Logger } from './logger.ts';
import { type LeaseState, registerMetrics } from './metrics.ts';
import { createRebuild } from './rebuild.ts';
import { safeMessage } from './safe-message.ts';
import type { RunnerLoop, StepMeter } from './runner.ts';
import { resolveSecret } from './secrets.ts';
import { renderHolder, type ServiceState, stateOf } from './service-state.ts';
import { openSubgraphPort, type SubgraphPort } from './subgraph-server.ts';
import { eventTracing, openTracing, type Tracing, untraced } from './tracing.ts';

export {
  type HostDefinition,
  type HostDependencies,
  type HostedRunner,
  type HostOverrides,
  runs,
} from './host-definition.ts';
export { findEarlierRequest, rememberRequest, type IdempotencyTables, type IdempotentRequest } from './idempotency.ts';
export { printRebuilt, type Projections, type RebuildOrder, runOrRebuild } from './rebuild.ts';
export { shellMigrations } from './service-state.ts';
export { subgraphSettings, type SubgraphSettings } from './subgraph-settings.ts';

/**
 * One subgraph service, composed: port → lease → store → relay → consumer → runners → subgraph, stopped in reverse. The port is open at once
 * with health alone: a replica that waits for the lease is seen to wait. Nothing else works before it leads its store, and the subgraph is
 * the first to go, so that no answer rests on parts that have stopped. A leader that learns that it was replaced ends the whole service.
 */
export function createSubgraphHost<DB extends MessagingTables, Context extends object>(
  definition: HostDefinition<DB, Context>,
): Service {
  const { name, overrides } = definition;
  if (overrides.rebuild !== undefined) return createRebuild(definition, overrides.rebuild);
  const logger = overrides.logger ?? createLogger({ service: name, level: 'info' });
  const waiting = new AbortController();
  const ended = new AbortController();
  const listening = Promise.withResolvers<{ url: string }>();
  // Where nobody asks for it, that the port could not be opened is told by the start.
  listening.promise.catch(() => undefined);
  const host = new Host(definition, logger, {
    listening: url => listening.resolve({ url }),
    stopWaiting: waiting.signal,
    replaced: cause => {
      ended.abort(new Error(`${name} was replaced by another leader`, { cause }));
      // Whoever runs the service waits for the same stop and reports how it went; where nobody does, it has still stopped.
      stop().catch((err: unknown) => logger.error({ err }, 'the stop after the replacement failed'));
    },
  });
  const lifecycle = createLifecycle(host.parts(), { logger });
  const stop = async (): Promise<void> => {
    // A service that still waits to lead gives up waiting.
    waiting.abort(new Error(`${name} was stopped before it led its store`));
    const { hung, failed } = await lifecycle.stop();
    if (hung.length > 0 || failed.length > 0)
      throw new Error(`did not stop: ${[...hung, ...failed.map(({ part }) => part)].join(', ')}`);
  };
  return {
    name,
    listening: listening.promise,
    ended: ended.signal,
    async start() {
      await lifecycle.start().catch((error: unknown) => {
        listening.reject(error);
        throw error;
      });
      const url = host.url();
      logger.info({ url }, `${name} answers`);
      return { url };
    },
    stop,
  };
}

type HostSignals = {
  readonly listening: (url: string) => void;
  readonly stopWaiting: AbortSignal;
  readonly replaced: (cause: unknown) => void;
};

class Host<DB extends MessagingTables, Context extends object> {
  readonly #definition: HostDefinition<DB, Context>;
  readonly #logger: Logger;
  readonly #signals: HostSignals;
  readonly #clock: Clock;
  readonly #checks: HealthCheck[] = [{ name: 'leader', check: () => this.#leader() }];
  readonly #started = { runners: [] as { name: string; loop: RunnerLoop }[] };
  /** What it is doing until it answers. */
  #beforeLeading: string | undefined = 'starting';
  #state: ServiceState<DB> | undefined;
  #lease: Lease | undefined;
  #dependencies: HostDependencies<DB> | undefined;
  #port: SubgraphPort | undefined;
  #tracing: Tracing = untraced;
  #meter: StepMeter = () => undefined;
  #messaging: (HostedMessaging<DB> & { readonly bus: Bus }) | undefined;
  #stopMessaging: (() => Promise<void>)[] = [];
  #messagingEnd: Promise<void> | undefined;

  constructor(definition: HostDefinition<DB, Context>, logger: Logger, signals: HostSignals) {
    this.#definition = definition;
    this.#logger = logger;
    this.#signals = signals;
    this.#clock = definition.overrides.clock ?? Date.now;
  }

  url(): string {
    return known(this.#port).url;
  }

  parts(): Part[] {
    const stopPort = (): Promise<void> | undefined => this.#port?.stop();
    return [
      { name: 'tracing', start: () => this.#openTracing(), stop: () => this.#tracing.stop() },
      { name: 'port', start: () => this.#openPort(), stop: stopPort },
      { name: 'lease', start: () => this.#lead(), stop: () => this.#lease?.release() },
      { name: 'store', start: () => this.#openStore(), stop: () => this.#dependencies?.store.close() },
      { name: 'messaging', start: () => this.#startMessaging(), stop: () => this.#endMessaging() },
      { name: 'runners', start: () => this.#startRunners(), stop: () => this.#endRunners() },
      { name: 'subgraph', start: () => this.#serve(), stop: stopPort },
    ];
  }

  async #openTracing(): Promise<void> {
    const { name, config, overrides } = this.#definition;
    const target = { exporter: overrides.spanExporter, otlpUrl: config.tracing?.otlpUrl };
    this.#tracing = await openTracing(name, target, this.#logger);
  }

  async #openPort(): Promise<void> {
    const { name, config } = this.#definition;
    const registry = new Registry();
    this.#meter = registerMetrics(registry, {
      lease: () => this.#leaseState(),
      messaging: () => this.#messaging,
      runners: () => this.#started.runners,
    });
    this.#port = await openSubgraphPort({
      name,
      ...config.http,
      clock: this.#clock,
      logger: this.#logger,
      registry,
      tracing: this.#tracing,
      checks: this.#checks,
    });
    this.#signals.listening(this.#port.url);
  }

  #leaseState(): LeaseState {
    const lost = this.#lease?.lost.aborted === true;
    const leads = this.#beforeLeading === undefined && !lost;
    return { leads, waits: !leads && !lost, fencingToken: this.#lease?.fencingToken };
  }

  #leader(): HealthState {
    const lease = this.#lease;
    if (lease?.lost.aborted === true) return { ok: false, detail: 'replaced by another leader' };
    if (lease === undefined || this.#beforeLeading !== undefined)
      return { ok: false, detail: this.#beforeLeading ?? 'starting' };
    const problem = lease.problem();
    const detail = `leads under token ${String(lease.fencingToken)}${problem === undefined ? '' : `; ${problem}`}`;
    return { ok: lease.held(), detail };
  }

  /** Told once for each new state: somebody looking at the log of a service that does not become ready finds out what it waits for. */
  #waitFor(what: string): void {
    if (this.#beforeLeading !== what) this.#logger.info({ url: this.url() }, what);
    this.#beforeLeading = what;
    known(this.#port).refuse(`${this.#definition.name} does not answer here: ${what}.`);
  }

  async #lead(): Promise<void> {
    const { name } = this.#definition;
    this.#state = await stateOf<DB>(this.#definition);
    this.#lease = await this.#state.lead({
      signal: this.#signals.stopWaiting,
      waiting: holder => {
        const by = renderHolder(holder);
        this.#waitFor(
          `waiting for the lease of ${name} (${by === undefined ? 'its holder is not known' : `held by ${by}`})`,
        );
      },
    });
    this.#lease.lost.addEventListener('abort', () => this.#endLeading(), { once: true });
  }

  /** At once, before anything is waited for: no step and no operation is begun any more; then the rest in order. */
  #endLeading(): void {
    const cause: unknown = this.#lease?.lost.reason;
    const { name } = this.#definition;
    this.#logger.error({ cause: safeMessage(cause) }, `${name} was replaced by another leader; it ends`);
    known(this.#port).refuse(`${name} was replaced by another leader; this replica ends.`);
    // A part that is starting right now is stopped by the lifecycle when it has started; its first transaction is refused by then.
    for (const { loop } of this.#started.runners) void loop.stop();
    this.#endMessaging().catch(() => undefined); // The lifecycle waits for the same promise and tells what went wrong.
    this.#signals.replaced(cause);
  }

  async #openStore(): Promise<void> {
    const { name, codec, overrides } = this.#definition;
    const clock = this.#clock;
    const lease = known(this.#lease);
    const { stopWaiting: signal } = this.#signals;
    this.#waitFor(`taking over the store of ${name}`);
    const blocked = (why: string): void => this.#waitFor(`taking over the store of ${name}: ${why}`);
    const store = await known(this.#state).open(lease, { signal, blocked });
    this.#dependencies = {
      store,
      outbox: createOutbox({
        service: name,
        codec,
        clock,
        newId: () => newId(clock),
        tracing: eventTracing(this.#tracing),
      }),
      clock,
      logger: this.#logger,
      env: overrides.env ?? {},
      fencingToken: lease.fencingToken,
    };
  }

  async #startMessaging(): Promise<void> {
    const dependencies = known(this.#dependencies);
    const definition = this.#definition;
    const bus = await this.#openBus();
    const messaging = await startMessaging<DB>({
      ...definition,
      ...dependencies,
      bus,
      tracing: this.#tracing,
      lease: known(this.#lease),
      reactions: definition.reactions?.(dependencies) ?? [],
    });
    this.#messaging = { ...messaging, bus };
    this.#stopMessaging.push(() => messaging.stop());
    this.#checks.push(...messaging.checks);
  }

  async #openBus(): Promise<Bus> {
    const { name: service, config, overrides } = this.#definition;
    if (overrides.bus !== undefined) return overrides.bus;
    const bus = await openEventBus({ service, kafka: config.kafka, env: overrides.env ?? {}, logger: this.#logger });
    this.#stopMessaging.push(() => bus.close());
    return bus;
  }

  #endMessaging(): Promise<void> {
    this.#messagingEnd ??= (async () => {
      for (const stop of this.#stopMessaging.reverse()) await stop();
    })();
    return this.#messagingEnd;
  }

  #startRunners(): void {
    const dependencies = known(this.#dependencies);
    const { store, clock, logger } = dependencies;
    const { hook: given, env = {} } = this.#definition.overrides;
    const hook = stepsWhileLeading(known(this.#lease), given ?? holdsIn(env));
    const wakeOn = (listener: () => void) => store.afterCommit(listener);
    for (const runner of this.#definition.runners?.(dependencies) ?? []) {
      const loop = runner.start({ clock, logger, wakeOn, hook, tracing: this.#tracing, meter: this.#meter });
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

  async #serve(): Promise<void> {
    const { config, overrides, schemaText, resolvers } = this.#definition;
    const dependencies = known(this.#dependencies);
    const { env } = dependencies;
    const signingKey = overrides.signingKey ?? Buffer.from(await resolveSecret(config.signingKey, { env }), 'utf8');
    await known(this.#port).serve({
      typeDefs: parse(schemaText),
      resolvers,
      signingKey,
      createContext: operation => this.#definition.context(operation, dependencies),
    });
    this.#beforeLeading = undefined;
  }
}

function renderFailing(failing: ReadonlyMap<string, string>): string {
  if (failing.size === 0) return 'ok';
  return [...failing].map(([key, message]) => `${key}: ${message}`).join('; ');
}

/** The lifecycle starts parts in order: what a later one uses is there. */
function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('A part was used before it was started.');
  return value;
}
