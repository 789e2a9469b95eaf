import type { Bus, DeadLetterOutbox, EventCodec, MessagingTables, Outbox, Reaction } from '@holdfast/messaging';
import type { Store } from '@holdfast/store';
import type { SpanExporter } from '@opentelemetry/sdk-trace';
import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';
import type { Projections, RebuildOrder } from './rebuild.ts';
import { type CheckpointHook, type RunnerDefinition, type RunnerLoop, startRunner, type StepMeter } from './runner.ts';
import type { OperationContext, SubgraphResolvers } from './subgraph-server.ts';
import type { SubgraphSettings } from './subgraph-settings.ts';
import type { Tracing } from './tracing.ts';

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
  /** The lease's times; those of `acquireLease` when left out. */
  readonly lease?: {
    readonly beatEveryMs?: number;
    readonly replaceAfterMs?: number;
    readonly blockedLimitMs?: number;
  };
  /** Takes each span as it ends, in the place of the configured collector. */
  readonly spanExporter?: SpanExporter;
  /** In place of the service's work. */
  readonly rebuild?: RebuildOrder;
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
    tracing: Tracing;
    meter: StepMeter;
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
  /** The contract under which it tells of an event that it could not apply. */
  readonly parks: DeadLetterOutbox['contract'];
  readonly resolvers: SubgraphResolvers;
  context(operation: OperationContext, dependencies: HostDependencies<DB>): Context;
  reactions?(dependencies: HostDependencies<DB>): readonly Reaction<DB>[];
  /** What the reactions keep and a rebuild makes anew. */
  readonly projections?: Projections<DB>;
  runners?(dependencies: HostDependencies<DB>): readonly HostedRunner[];
  /** Closed after the runners have stopped: connections they kept. */
  close?(): Promise<void>;
};
