import type { Bus, Consumer, Relay } from '@holdfast/messaging';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { RunnerLoop, StepMeter } from './runner.ts';

/** What a service's metrics are read from, each time somebody asks for them: nothing is polled. */
export type Measured = {
  readonly lease: () => LeaseState;
  /** Undefined before the service leads. */
  readonly messaging: () =>
    | {
        readonly bus: Pick<Bus, 'stats'>;
        readonly relay: Pick<Relay, 'stats'>;
        readonly consumer: Pick<Consumer<unknown>, 'stats'> | undefined;
      }
    | undefined;
  readonly runners: () => readonly { readonly name: string; readonly loop: Pick<RunnerLoop, 'failing'> }[];
};

/** `fencingToken`: undefined before it led for the first time. */
export type LeaseState = {
  readonly leads: boolean;
  readonly waits: boolean;
  readonly fencingToken: number | undefined;
};

type Read<Part extends { readonly stats: () => unknown }> = Awaited<ReturnType<Part['stats']>> | undefined;
/** What one scrape found; undefined: not there, or it did not answer in time. */
type Found = {
  readonly lease: LeaseState;
  readonly bus: Read<Pick<Bus, 'stats'>>;
  readonly relay: Read<Relay>;
  readonly consumer: Read<Consumer<unknown>>;
  readonly unread: ReadonlyMap<string, boolean>;
};

/** `_total`: counters. No sample where the value is undefined. */
type Row = readonly [name: string, help: string, value: (found: Found) => number | undefined];

const rows: readonly Row[] = [
  ['lease_leader', 'Whether this replica leads its store: 1 or 0', ({ lease }) => Number(lease.leads)],
  ['lease_waiting', 'Whether this replica waits to lead: 1 or 0', ({ lease }) => Number(lease.waits)],
  [
    'lease_fencing_token',
    'The token under which this replica leads, or led; rises with every change of leader',
    ({ lease }) => lease.fencingToken,
  ],
  ['outbox_events', 'Events that the bus has not acknowledged yet', ({ relay }) => relay?.depth],
  [
    'outbox_oldest_age_seconds',
    'Age of the oldest event that the bus has not acknowledged yet; 0 when there is none',
    ({ relay }) => relay?.oldestAgeSeconds,
  ],
  [
    'relay_sent_total',
    'Events that the bus acknowledged since the start of the process, repeats included',
    ({ relay }) => relay?.sentTotal,
  ],
  [
    'relay_resent_total',
    'Events of all times that were sent again because the bus had lost its log',
    ({ relay }) => relay?.resentTotal,
  ],
  ['bus_connected', 'Whether the bus answers: 1 or 0', ({ bus }) => bus && Number(bus.connectedSince !== undefined)],
  ['bus_failed_attempts', 'Attempts to reach the bus since it last answered', ({ bus }) => bus?.attempts],
  ['bus_reconnects_total', 'How often the bus was reached anew', ({ bus }) => bus?.reconnectsTotal],
  [
    'bus_lost_logs_total',
    'Logs found lost, cut or made anew, and read from their start since',
    ({ bus }) => bus?.lostLogsTotal,
  ],
  ['bus_held_bytes', 'Fetched from the bus and not delivered yet', ({ bus }) => bus?.heldBytes],
  [
    'consumer_lag_events',
    'Events on the bus whose effect is not committed here yet; no sample while the bus does not answer',
    ({ consumer }) => consumer?.lag,
  ],
  ['consumer_applied_total', 'Events applied since the start of the process', ({ consumer }) => consumer?.appliedTotal],
  ['inbox_duplicates_total', 'Repeated events that the inbox recognised', ({ consumer }) => consumer?.duplicatesTotal],
  [
    'consumer_passed_over_total',
    'Events of types that nobody here wants, or of newer versions',
    ({ consumer }) => consumer?.passedOverTotal,
  ],
  [
    'consumer_newer_version_events',
    'Events passed over because this service does not know their version yet; until a rebuild',
    ({ consumer }) => consumer?.newerVersions,
  ],
  [
    'consumer_dead_letters',
    'Events that could not be applied; until a rebuild',
    ({ consumer }) => consumer?.deadLetters,
  ],
  ['consumer_failing_events', 'Events that are being tried again just now', ({ consumer }) => consumer?.failing],
];

/** A part that is slower leaves a gap in this scrape, and says so. */
const readLimitMs = 2_000;
/** A look takes milliseconds, a restore hours. */
const stepBucketsSeconds = [0.005, 0.025, 0.1, 0.5, 2.5, 10, 60, 300, 1_800, 7_200];

/** Registers everything that a service measures; the answer is to be called for every step of its runners. */
export function registerMetrics(registry: Registry, measured: Measured): StepMeter {
  const registers = [registry];
  let reading: Promise<Found> | undefined;
  // All metrics of one scrape ask in the same moment and share one look.
  const found = () => (reading ??= readAll(measured).finally(() => (reading = undefined)));
  for (const [row, help, value] of rows) {
    const name = `holdfast_${row}`;
    if (name.endsWith('_total')) {
      const collect = async function (this: Counter): Promise<void> {
        const now = value(await found());
        this.remove();
        if (now !== undefined) this.inc(now);
      };
      new Counter({ name, help, registers, collect });
    } else {
      const collect = async function (this: Gauge): Promise<void> {
        const now = value(await found());
        if (now === undefined) this.remove();
        else this.set(now);
      };
      new Gauge({ name, help, registers, collect });
    }
  }
  new Gauge({
    name: 'holdfast_metrics_unread',
    help: `Whether this part did not answer within ${String(readLimitMs / 1_000)} s of this scrape: 1 or 0`,
    labelNames: ['part'],
    registers,
    async collect() {
      for (const [part, missing] of (await found()).unread) this.set({ part }, Number(missing));
    },
  });
  new Gauge({
    name: 'holdfast_runner_failing_subjects',
    help: 'Subjects whose last step failed',
    labelNames: ['runner'],
    registers,
    collect() {
      for (const { name, loop } of measured.runners()) this.set({ runner: name }, loop.failing().size);
    },
  });
  const steps = new Histogram({
    name: 'holdfast_runner_step_duration_seconds',
    help: 'Steps of runners from decision to record; `observe` is the look before each of them',
    labelNames: ['runner', 'step', 'outcome'],
    buckets: stepBucketsSeconds,
    registers,
  });
  return (runner, step, outcome, seconds) => steps.observe({ runner, step, outcome }, seconds);
}

async function readAll({ lease, messaging }: Measured): Promise<Found> {
  const parts = messaging();
  const unread = new Map<string, boolean>();
  const read = async <Stats>(part: string, stats: (() => Stats | Promise<Stats>) | undefined) => {
    if (stats === undefined) return undefined;
    const answer = await withinLimit(stats);
    unread.set(part, answer === undefined);
    return answer;
  };
  const [bus, relay, consumer] = await Promise.all([
    read('bus', parts?.bus.stats),
    read('relay', parts?.relay.stats),
    read('consumer', parts?.consumer?.stats),
  ]);
  return { lease: lease(), bus, relay, consumer, unread };
}

/** Undefined when it fails or takes too long: one part that cannot answer must not hide the others. */
async function withinLimit<Stats>(stats: () => Stats | Promise<Stats>): Promise<Stats | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), readLimitMs);
  try {
    return await Promise.race([(async () => stats())().catch(() => undefined), late]);
  } finally {
    clearTimeout(timer);
  }
}
