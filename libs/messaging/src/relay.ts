import { setImmediate } from 'node:timers/promises';
import type { Store } from '@holdfast/store';
import { type BackOff, backOffMs, pause, reasonOf } from './back-off.ts';
import type { Bus } from './bus.ts';
import { eventLogOf } from './outbox.ts';
import { type Acknowledged, type OutboxRow, pageRows, type SentLog, sentLogOf } from './sent-log.ts';
import type { MessagingTables } from './tables.ts';
import { Wake } from './wake.ts';

export type RelayOptions<DB extends MessagingTables> = {
  readonly store: Store<DB>;
  readonly bus: Bus;
  /** The publishing service. */
  readonly service: string;
  /** Its contracts; of each only the topic is used. */
  readonly publishes: readonly { readonly topic: string }[];
  readonly clock: () => number;
  /** The safety net below the wake on commit; 1,000 when left out. */
  readonly pollMs?: number;
  readonly backOff?: BackOff;
  /** How long `stop` goes on sending what is unsent; 5,000 when left out. */
  readonly drainLimitMs?: number;
  /** Before each send, after its acknowledgement, and each time the position was moved. Where tests stop or kill. */
  readonly checkpoint?: (place: 'publishing' | 'published' | 'marked') => void | Promise<void>;
};

export type RelayStats = {
  /** Events whose acknowledgement by the bus is not stored yet. */
  readonly depth: number;
  /** 0 when there are none. */
  readonly oldestAgeSeconds: number;
  /** Acknowledged since the start of the process, repeats included. */
  readonly sentTotal: number;
  /** Of all times: sent again because the bus had lost its log. */
  readonly resentTotal: number;
  /** Why the last send failed, or that everything is sent again; undefined when all is well. */
  readonly problem: string | undefined;
};

/** Events that come at less than this distance, or faster than they can be sent and marked one by one, come fast … */
const fastMs = 5;
/** … and then sends have this distance, so that many go together. */
const gatherMs = 20;
/** While events come without a pause, the position is stored this often. */
const markMs = 100;

/** A part of the service's lifecycle and one of its health checks. */
export type Relay = {
  readonly name: string;
  readonly start: () => Promise<void>;
  /** Sends what is left, within the drain limit; what remains is sent after the next start. */
  readonly stop: () => Promise<void>;
  readonly check: () => { ok: boolean; detail: string };
  readonly stats: () => Promise<RelayStats>;
};

/**
 * Carries the outbox to the bus, oldest first. Invariant: ONE send is in flight, and the position moves only after its acknowledgement;
 * with two, kafkajs loses acknowledged messages and order (kafka.md §4). Resumes from the stored position: what was sent but not yet
 * marked is sent again; it is marked as soon as nothing follows, under load every 100 ms. The outbox is never pruned, so it is the cure of
 * a bus that lost its log: whenever the bus was reached anew the last acknowledged records are looked for, and when they are not there
 * everything is sent again from the first event.
 * Needs the service's lease: two relays on one store would break the order.
 */
export function createRelay<DB extends MessagingTables>(options: RelayOptions<DB>): Relay {
  const { clock, drainLimitMs = 5_000 } = options;
  const sentLog = sentLogOf(options);
  const relaying = new Relaying(options, sentLog);
  let running: Promise<void> | undefined;
  let stopListening = (): void => undefined;

  return {
    name: 'event relay',
    async start() {
      if (running !== undefined) throw new Error('This relay was started before; create a new one.');
      const listening = [
        options.store.afterCommit(() => relaying.wake.ring()),
        options.bus.onEpoch(() => relaying.tryNow()),
      ];
      stopListening = () => listening.forEach(stop => stop());
      running = relaying.run();
    },
    async stop() {
      relaying.stopping.abort();
      relaying.wake.ring();
      const limit = new AbortController();
      await Promise.race([running ?? Promise.resolve(), pause(drainLimitMs, limit.signal)]);
      limit.abort();
      // A send that answers after this finds the store closed: its position stays, it is sent again after the next start.
      relaying.abandoned.abort();
      stopListening();
    },
    check: () => {
      const problem = relaying.problem ?? relaying.resending;
      return problem === undefined ? { ok: true, detail: 'ok' } : { ok: false, detail: problem };
    },
    stats: async () => {
      const { resending: _, ...backlog } = await sentLog.backlog(clock());
      return { ...backlog, sentTotal: relaying.sentTotal, problem: relaying.problem ?? relaying.resending };
    },
  };
}

class Relaying<DB extends MessagingTables> {
  readonly wake = new Wake();
  readonly stopping = new AbortController();
  readonly abandoned = new AbortController();
  problem: string | undefined;
  /** Says so for as long as everything is sent again. */
  resending: string | undefined;
  sentTotal = 0;
  readonly #options: RelayOptions<DB>;
  readonly #sentLog: SentLog;
  #epoch: number | undefined;
  #waiting = new AbortController();
  /** Acknowledged and not stored yet. */
  #unmarked: (Acknowledged & { readonly since: number }) | undefined;
  #sentAt = -Infinity;
  #sendMs = 0;
  /** Means of the last ones: what it takes to send and to mark, whatever the number of events, and the distance of events. */
  #costMs = 0;
  #distanceMs = gatherMs;

  constructor(options: RelayOptions<DB>, sentLog: SentLog) {
    this.#options = options;
    this.#sentLog = sentLog;
  }

  async run(): Promise<void> {
    const { pollMs = 1_000, backOff = { firstMs: 100, capMs: 5_000 } } = this.#options;
    for (let failures = 0; ;) {
      try {
        await this.#verify();
        const isMore = await this.#sendNext();
        if (this.abandoned.signal.aborted) return;
        failures = 0;
        this.problem = undefined;
        if (isMore) continue;
        if (this.stopping.signal.aborted) return;
        await this.wake.next(pollMs);
      } catch (error) {
        this.problem = reasonOf(error);
        if (this.stopping.signal.aborted) return;
        failures += 1;
        this.#waiting = new AbortController();
        await pause(backOffMs(backOff, failures), AbortSignal.any([this.stopping.signal, this.#waiting.signal]));
      }
    }
  }

  /** The bus was reached: neither a pause nor the poll is waited for. */
  tryNow(): void {
    this.#waiting.abort();
    this.wake.ring();
  }

  /** Nothing is sent on a log that may have lost what came before it. */
  async #verify(): Promise<void> {
    const { bus, service, store, publishes } = this.#options;
    const epoch = bus.epoch();
    if (this.#epoch === epoch) return;
    // The log is compared with the newest places that it acknowledged.
    await this.#mark();
    const topics = [...new Set(publishes.map(({ topic }) => topic))];
    await bus.register({ name: service, topics, log: eventLogOf(store) });
    const places = await this.#sentLog.places();
    let lost: string | undefined;
    for (const topic of topics) lost ??= await bus.lost(topic, places.get(topic) ?? []);
    if (lost !== undefined) await this.#sentLog.startOver();
    const { resending } = await this.#sentLog.backlog(this.#options.clock());
    this.resending =
      resending === 0
        ? undefined
        : `the log was lost (${lost ?? 'found before the restart'}): the ${resending} events of the outbox are sent again`;
    // Of before we looked: a change meanwhile is looked at by the next round.
    this.#epoch = epoch;
  }

  /** One page of the outbox; false: nothing is left to be sent or marked. */
  async #sendNext(): Promise<boolean> {
    const page = await this.#unsent();
    if (page.length === 0) return this.#mark();
    try {
      await this.#send(page);
    } catch (error) {
      // The next attempt may be long after.
      await this.#mark();
      throw error;
    }
    if (performance.now() - (this.#unmarked?.since ?? 0) > markMs) await this.#mark();
    // An embedded bus and store never leave the microtasks: a long backlog would let nothing else in the process happen.
    await setImmediate();
    return true;
  }

  async #unsent(): Promise<OutboxRow[]> {
    const page = await this.#sentLog.unsent(this.#unmarked?.seq);
    const sinceMs = performance.now() - this.#sentAt;
    const isFast = this.#distanceMs < Math.max(fastMs, this.#costMs);
    if (!isFast || page.length === 0 || page.length === pageRows || sinceMs >= gatherMs) return page;
    await pause(gatherMs - sinceMs, this.stopping.signal);
    return this.#sentLog.unsent(this.#unmarked?.seq);
  }

  /** Topic by topic: order is per key of one topic. */
  async #send(page: readonly OutboxRow[]): Promise<void> {
    const { bus, checkpoint } = this.#options;
    await checkpoint?.('publishing');
    const startedAt = performance.now();
    this.#distanceMs = meanOf(this.#distanceMs, Math.min(gatherMs, startedAt - this.#sentAt) / page.length);
    this.#sentAt = startedAt;
    const places = [];
    for (const [topic, records] of Map.groupBy(page, row => row.topic))
      for (const place of await bus.publish(topic, records)) places.push({ topic, ...place });
    this.#sendMs = performance.now() - startedAt;
    await checkpoint?.('published');
    const { since = performance.now(), count = 0, places: before = [] } = this.#unmarked ?? {};
    const seq = page.at(-1)?.seq ?? 0;
    this.#unmarked = { seq, count: count + page.length, places: [...before, ...places], since };
    this.sentTotal += page.length;
  }

  /** False when there is nothing that the store does not have. */
  async #mark(): Promise<boolean> {
    if (this.#unmarked === undefined || this.abandoned.signal.aborted) return false;
    const startedAt = performance.now();
    if (!(await this.#sentLog.markSent(this.#unmarked))) this.resending = undefined;
    this.#unmarked = undefined;
    this.#costMs = meanOf(this.#costMs, this.#sendMs + performance.now() - startedAt);
    await this.#options.checkpoint?.('marked');
    return true;
  }
}

function meanOf(before: number, one: number): number {
  return before + (one - before) / 8;
}
