import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type EventCodec, type EventShape, type MessagingTables, on } from '@holdfast/messaging';
import { Registry } from 'prom-client';
import { createSubgraphHost, runs } from './host.ts';
import type { Service } from './lifecycle.ts';
import { createLogger } from './logger.ts';
import { type Measured, registerMetrics } from './metrics.ts';

const logger = createLogger({ service: 'test', level: 'silent' });
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

type Samples = ReadonlyMap<string, number>;

function samplesOf(text: string): Samples {
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

type Thing = { readonly n: number };
const thing = (version: number): EventShape<Thing> => ({
  type: `test.thing.done.v${String(version)}`,
  topic: 'test.v1',
  schema: { safeParse: value => ({ success: true, data: value as Thing }) },
  key: () => 'key',
  subject: () => 'subject',
});
const codec: EventCodec = {
  render: ({ type }, payload, stamp) => ({ ...stamp, type, partitionkey: 'key', data: payload }),
  parse: (contract, value) => {
    const { data, ...envelope } = value as { data: unknown };
    const checked = contract.schema.safeParse(data);
    return checked.success && (data as Thing).n >= 0
      ? { ok: true, payload: checked.data, envelope: envelope as never }
      : { ok: false, problem: 'below zero' };
  },
};

/** A service that hears itself: each event of `outgoing` is appended by its runner, `broken` is a subject whose step fails. */
function talkingService(folder: string, outgoing: (readonly [version: number, thing: Thing])[]): Service {
  return createSubgraphHost<MessagingTables, object>({
    name: 'backup',
    config: { http: { host: '127.0.0.1', port: 0 }, stateFolder: folder, signingKey: 'env:NONE' },
    overrides: { signingKey: Buffer.from('k'), logger },
    schemaText: 'type Query { ok: Boolean }',
    migrations: new URL('../test/migrations/', import.meta.url),
    codec,
    publishes: [thing(1)],
    parks: { ...thing(1), type: 'test.parked.v1', topic: 'test.dead-letter' } as never,
    resolvers: { Query: { ok: () => true } },
    context: () => ({}),
    reactions: () => [on(thing(1), async () => undefined)],
    runners: ({ store, outbox }) => [
      runs(
        {
          name: 'talker',
          subjects: async () => ['all', 'broken'],
          key: subject => subject,
          observe: async subject => ({ subject, next: outgoing.at(0) }),
          decide: seen => (seen.subject === 'broken' || seen.next !== undefined ? seen : undefined),
          step: ({ subject }) => (subject === 'broken' ? 'break' : 'talk'),
          act: async ({ subject, next }) => {
            if (subject === 'broken') throw new Error('always');
            const [version, payload] = next!;
            await store.transaction(tx => outbox.append(tx, thing(version), payload));
          },
          record: async () => void outgoing.shift(),
        },
        { intervalMs: 60_000 },
      ),
    ],
  });
}

describe('the metrics of a service', () => {
  it('tell of its lease, outbox, bus, consumer and runners, as they are when asked', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-metrics-'));
    closing.push(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
    const service = talkingService(folder, [
      [1, { n: 1 }],
      [1, { n: 2 }],
      [1, { n: -1 }],
      [9, { n: 3 }],
    ]);
    closing.push(() => service.stop());
    const { url } = await service.start();
    const scrape = async () => samplesOf(await (await fetch(new URL('/metrics', url))).text());
    let samples = await scrape();
    const limit = Date.now() + 10_000;
    // The dead letter is told on a topic of its own: the fifth event that is sent.
    while (
      samples.get('holdfast_relay_sent_total') !== 5 ||
      samples.get('holdfast_consumer_newer_version_events') !== 1
    ) {
      if (Date.now() > limit) throw new Error(JSON.stringify([...samples]));
      samples = await scrape();
    }
    expect(Object.fromEntries([...samples].filter(([name]) => !name.startsWith('holdfast_runner_step')))).toMatchObject(
      {
        holdfast_lease_leader: 1,
        holdfast_lease_waiting: 0,
        holdfast_lease_fencing_token: 1,
        holdfast_outbox_events: 0,
        holdfast_outbox_oldest_age_seconds: 0,
        holdfast_relay_resent_total: 0,
        holdfast_bus_connected: 1,
        holdfast_bus_failed_attempts: 0,
        holdfast_consumer_lag_events: 0,
        holdfast_consumer_applied_total: 2,
        holdfast_consumer_passed_over_total: 1,
        holdfast_inbox_duplicates_total: 0,
        holdfast_consumer_dead_letters: 1,
        holdfast_consumer_failing_events: 0,
        'holdfast_runner_failing_subjects{runner="talker"}': 1,
        'holdfast_metrics_unread{part="relay"}': 0,
      },
    );
    const steps = (step: string, outcome: string) =>
      samples.get(`holdfast_runner_step_duration_seconds_count{runner="talker",step="${step}",outcome="${outcome}"}`);
    expect([steps('talk', 'ok'), steps('talk', 'failed'), steps('break', 'ok')]).toEqual([4, undefined, undefined]);
    expect(steps('break', 'failed')).toBeGreaterThan(0);
    expect(steps('observe', 'ok')).toBeGreaterThan(4);
    // Counted once, however often it is asked for.
    expect((await scrape()).get('holdfast_consumer_applied_total')).toBe(2);
  });

  const waiting: Measured = {
    lease: () => ({ leads: false, waits: true, fencingToken: undefined }),
    messaging: () => undefined,
    runners: () => [],
  };

  it('of a replica that waits say so, and nothing of parts that it does not have', async () => {
    const registry = new Registry();
    registerMetrics(registry, waiting);
    const samples = samplesOf(await registry.metrics());
    expect(Object.fromEntries(samples)).toEqual({ holdfast_lease_leader: 0, holdfast_lease_waiting: 1 });
  });

  it('hide nothing behind a part that cannot answer, and come back with it', async () => {
    const registry = new Registry();
    let isDown = true;
    const bus = {
      stats: () => ({ connectedSince: undefined, attempts: 7, reconnectsTotal: 2, lostLogsTotal: 1, heldBytes: 9 }),
    };
    const relay = {
      stats: async () => {
        if (isDown) throw new Error('the store is gone');
        return { depth: 4, oldestAgeSeconds: 61, sentTotal: 10, resentTotal: 3, problem: undefined };
      },
    };
    registerMetrics(registry, { ...waiting, messaging: () => ({ bus, relay, consumer: undefined }) });
    const down = samplesOf(await registry.metrics());
    expect(down.get('holdfast_metrics_unread{part="relay"}')).toBe(1);
    expect(down.has('holdfast_outbox_events')).toBe(false);
    expect(down.get('holdfast_bus_connected')).toBe(0);
    expect(down.get('holdfast_bus_failed_attempts')).toBe(7);
    isDown = false;
    const up = samplesOf(await registry.metrics());
    expect(up.get('holdfast_metrics_unread{part="relay"}')).toBe(0);
    expect([up.get('holdfast_outbox_events'), up.get('holdfast_outbox_oldest_age_seconds')]).toEqual([4, 61]);
    expect([up.get('holdfast_relay_sent_total'), up.get('holdfast_relay_resent_total')]).toEqual([10, 3]);
  });

  it('are all in the README', async () => {
    const registry = new Registry();
    registerMetrics(registry, waiting);
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const names = registry.getMetricsAsArray().map(({ name }) => name);
    expect(names.filter(name => !readme.includes(`\`${name}\``))).toEqual([]);
  });
});
