import { afterAll, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { until } from '../../src/testing/counted.ts';
import { describeWith, openBroker } from '../broker.ts';
import { drawnKinds, type Fault, faultKinds, injure, type Injured, type World } from './faults.ts';
import { ServiceLife } from './life.ts';
import { type BrokerProxy, startBrokerProxy } from './proxy.ts';
import { seededRandom } from './random.ts';
import { contentsOf, openServiceStore, type Projected, type ServiceSettings, storeFileIn } from './service.ts';
import { Progress, summaries } from './standstill.ts';

const isLong = process.env['HOLDFAST_TESTS'] === 'long';
/** Repeats which faults come, where and for how long; not what the processes do meanwhile. */
const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Math.floor(Math.random() * 1_000_000));
type Form = {
  readonly chaosMs: number;
  /** Of each service, and how often each of them moves. */
  readonly keys: number;
  readonly everyMs: number;
  /** Between two faults. */
  readonly pauseMs: readonly [number, number];
  readonly requestTimeoutMs: number;
} & World['lengths'];
const form: Form = isLong
  ? {
      chaosMs: 1_200_000,
      keys: 12,
      everyMs: 250,
      pauseMs: [500, 8_000],
      requestTimeoutMs: 5_000,
      brokerFrozen: [5_000, 40_000],
      other: [500, 20_000],
    }
  : {
      chaosMs: 45_000,
      keys: 4,
      everyMs: 300,
      pauseMs: [500, 1_500],
      requestTimeoutMs: 1_000,
      brokerFrozen: [1_500, 3_500],
      other: [500, 3_000],
    };
const drainLimitMs = 40_000;
const names = ['plum', 'pear', 'fig'];
const report = fileURLToPath(new URL('../../../../reports/chaos.json', import.meta.url));

const opened = await openBroker();
const folder = mkdtempSync(join(tmpdir(), 'holdfast-chaos-'));
const lives: ServiceLife[] = [];
const proxies: BrokerProxy[] = [];
afterAll(async () => {
  await Promise.all(lives.map(life => life.kill()));
  await Promise.all(proxies.map(proxy => proxy.close()));
  await opened.broker?.end();
  rmSync(folder, { recursive: true, force: true });
});

describeWith(opened, 'three services over a broker', broker => {
  it(
    `lose, repeat and reorder nothing, whatever is injured (seed ${String(seed)})`,
    async () => {
      const random = seededRandom(seed);
      const progress = new Progress();
      const services: Injured[] = [];
      for (const name of names) {
        const proxy = await startBrokerProxy(Number(broker.brokers[0]?.split(':')[1]));
        proxies.push(proxy);
        const settings = settingsOf(name, proxy, storeFileIn(folder, name));
        const life = new ServiceLife(settings, (time, applied) => progress.note(name, time, applied));
        services.push({ life, proxy });
        lives.push(life);
        life.start();
      }
      const [first, ...others] = services;
      if (first === undefined) throw new Error('There are services.');
      const rivals: { readonly life: ServiceLife; readonly isOwn: boolean }[] = [];
      const rivalOf = ({ life, proxy }: Injured, store: 'same' | 'own'): ServiceLife => {
        const isOwn = store === 'own';
        const { name, storeFile } = life.settings;
        const file = isOwn ? storeFileIn(folder, `rival-${String(rivals.length)}`) : storeFile;
        const rival = new ServiceLife({ ...settingsOf(name, proxy, file), everyMs: undefined }, () => undefined);
        rivals.push({ life: rival, isOwn });
        lives.push(rival);
        return rival;
      };
      await until(
        () => names.every(name => progress.movedSince(name, 0)),
        () => lives.map(({ complaints }) => complaints),
        30_000,
      );

      const beganAt = Date.now();
      const faults: Fault[] = [];
      const { brokerFrozen, other, pauseMs } = form;
      const world = { broker, services: [first, ...others], lengths: { brokerFrozen, other }, rivalOf } as const;
      for (const kind of drawnKinds(random)) {
        if (Date.now() - beganAt > form.chaosMs && faults.length >= faultKinds.length) break;
        if (lives.some(({ complaints }) => complaints.length > 0)) break;
        faults.push(await injure(kind, world, random));
        tell(faults);
        await setTimeout(random.between(...pauseMs));
      }
      expect(lives.flatMap(({ complaints }) => complaints)).toEqual([]);

      // The load goes on until the last fault is overcome.
      const lastEnd = Math.max(...faults.map(({ endedAt }) => endedAt));
      await until(
        () => names.every(name => progress.movedSince(name, lastEnd)),
        async () => flows(services),
        drainLimitMs,
      );
      const end = Date.now();
      await Promise.all(services.map(({ life }) => life.ask('quiet', 'done')));
      await drained(services);
      const live = await contents(services);
      await Promise.all(services.map(({ life }) => life.ask('rebuild', 'done')));
      await drained(services);
      const rebuilt = await contents(services);
      const after = await flows(services);
      await Promise.all(services.map(({ life }) => life.end()));

      const counters = live.flatMap(each => each.counters);
      expect(counters.map(({ key }) => key).toSorted()).toEqual(names.flatMap(keysOf).toSorted());
      for (const [i, name] of names.entries()) {
        const heard = counters.filter(({ key }) => !keysOf(name).includes(key));
        // No gap, no effect twice, every key in its order.
        expect(live[i]?.projection.map(withoutDigest)).toEqual(inOrder(heard.toSorted(byKey)));
        expect(JSON.stringify(rebuilt[i])).toBe(JSON.stringify(live[i]));
      }
      expect(after).toEqual(after.map(flow => ({ ...flow, depth: 0, lag: 0, deadLetters: [] })));
      for (const { life, isOwn } of rivals) if (isOwn) await expectPrefix(life.settings.storeFile, counters);
      expect(lives.flatMap(({ complaints }) => complaints)).toEqual([]);

      const standstills = faults.map(fault => progress.of(fault, faults, beganAt, end));
      write({
        seed,
        long: isLong,
        chaosSeconds: Math.round((end - beganAt) / 1_000),
        services: names.length,
        keyEveryMs: form.everyMs,
        events: counters.reduce((sum, { n }) => sum + n, 0),
        /** Delivered again by the bus and recognised, when everything was read from the start. */
        repeatsInLogs: after.map(({ duplicates }) => duplicates),
        byKind: summaries(standstills),
        faults: standstills,
      });
      expect(new Set(faults.map(({ kind }) => kind)).size).toBe(faultKinds.length);
    },
    form.chaosMs + (isLong ? 1_800_000 : 240_000),
  );
});

function settingsOf(name: string, proxy: BrokerProxy, storeFile: string): ServiceSettings {
  const { keys, everyMs, requestTimeoutMs } = form;
  return { name, names, storeFile, brokers: [`127.0.0.1:${proxy.port}`], keys, everyMs, requestTimeoutMs };
}

function keysOf(name: string): string[] {
  return Array.from({ length: form.keys }, (_, i) => `${name}-${i}`);
}

function byKey(one: { readonly key: string }, other: { readonly key: string }): number {
  return one.key < other.key ? -1 : 1;
}

function inOrder(counted: readonly { readonly key: string; readonly n: number }[]): object[] {
  return counted.map(({ key, n }) => ({ key, n, applied: n, out_of_order: 0 }));
}

function withoutDigest({ digest: _, ...rest }: Projected): object {
  return rest;
}

/** Of a rival with a store of its own: what it has is whole from the start of each key that it heard of. */
async function expectPrefix(storeFile: string, counters: readonly { key: string; n: number }[]): Promise<void> {
  const store = await openServiceStore(storeFile);
  const { projection } = await contentsOf(store);
  await store.close();
  expect(projection.map(withoutDigest)).toEqual(inOrder(projection));
  for (const { key, n } of projection) expect(n).toBeLessThanOrEqual(counters.find(each => each.key === key)?.n ?? 0);
}

async function flows(services: readonly Injured[]) {
  return Promise.all(services.map(async ({ life }) => (await life.ask('flow', 'flow')).flow));
}

async function contents(services: readonly Injured[]) {
  return Promise.all(services.map(async ({ life }) => (await life.ask('contents', 'contents')).contents));
}

/** First what is said, then what is heard; for as long as anything moves. */
async function drained(services: readonly Injured[]): Promise<void> {
  for (const what of ['depth', 'lag'] as const) {
    let [seen, movedAt] = ['', Date.now()];
    for (;;) {
      const now = await flows(services);
      if (now.every(flow => flow[what] === 0)) break;
      const text = JSON.stringify(now);
      if (text !== seen) [seen, movedAt] = [text, Date.now()];
      if (Date.now() - movedAt > drainLimitMs) throw new Error(`Nothing moved for ${drainLimitMs} ms: ${text}`);
      await setTimeout(200);
    }
  }
}

let toldAt = Date.now();
/** The long form takes minutes in one test: it says where it is. */
function tell(faults: readonly Fault[]): void {
  if (!isLong || Date.now() - toldAt < 20_000) return;
  toldAt = Date.now();
  process.stderr.write(
    `chaos (seed ${String(seed)}): ${faults.length} faults, last: ${faults.at(-1)?.kind ?? 'none'}\n`,
  );
}

function write(contentsOfReport: object): void {
  mkdirSync(dirname(report), { recursive: true });
  writeFileSync(report, `${JSON.stringify(contentsOfReport, null, 2)}\n`);
}
