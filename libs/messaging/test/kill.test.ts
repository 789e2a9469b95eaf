import { afterEach, expect, it } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { kinds, openPlace, type Place } from '@holdfast/store/testing';
import { until } from '../src/testing/counted.ts';
import { openConsumer, openPublisher, type Places } from './traffic.ts';

let place: Place | undefined;
let child: ChildProcess | undefined;
afterEach(async () => {
  if (child) await killed(child);
  await place?.close();
});

type Life = { readonly process: ChildProcess; readonly lines: string[]; readonly errors: string[] };

function live(places: Places): Life {
  const script = join(import.meta.dirname, 'traffic.ts');
  const args = ['--disable-warning=ExperimentalWarning', script, JSON.stringify(places)];
  const process_ = spawn(process.execPath, args, { stdio: 'pipe' });
  child = process_;
  const lines: string[] = [];
  const errors: string[] = [];
  createInterface(process_.stdout).on('line', line => lines.push(line));
  createInterface(process_.stderr).on('line', line => errors.push(line));
  return { process: process_, lines, errors };
}

async function killed(process_: ChildProcess): Promise<void> {
  if (process_.exitCode !== null || process_.signalCode !== null) return;
  const closed = new Promise(resolve => process_.once('close', resolve));
  process_.kill('SIGKILL');
  await closed;
}

/** Of every key: the highest number whose commit somebody was told of. */
function acknowledged(lines: readonly string[], highest: Map<string, number>): void {
  for (const line of lines) {
    const [, key, n] = /^([abc]) (\d+)$/.exec(line) ?? [];
    if (key !== undefined) highest.set(key, Math.max(highest.get(key) ?? 0, Number(n)));
  }
}

const title = 'loses nothing, repeats no effect and keeps the order of each key through kill -9 under load, on %s';
it.each(kinds)(
  title,
  async kind => {
    place = await openPlace(kind);
    const places = { publisher: await place.fresh(), consumer: await place.fresh() };
    const highest = new Map<string, number>();
    // Killed at the start-up, early and deep in the traffic: by lines seen, not by time.
    for (const lives of [1, 2, 40, 7, 150, 90]) {
      const { process: process_, lines, errors } = live(places);
      await until(
        () => lines.length >= lives || errors.length > 0,
        () => errors,
      );
      await killed(process_);
      expect(errors).toEqual([]);
      acknowledged(lines, highest);
    }
    const last = live(places);
    await until(
      () => last.lines.includes('started') || last.errors.length > 0,
      () => last.errors,
    );
    const ended = new Promise(resolve => last.process.once('close', resolve));
    last.process.stdin?.write('drain\n');
    await ended;
    expect(last.errors).toEqual([]);
    expect(last.lines.at(-1)).toBe('drained');
    acknowledged(last.lines, highest);

    const [publisher, consumer] = [await openPublisher(places.publisher), await openConsumer(places.consumer)];
    const committed = await publisher.read(db => db.selectFrom('counter').selectAll().orderBy('key').execute());
    const projected = await consumer.read(db => db.selectFrom('projection').selectAll().orderBy('key').execute());
    await publisher.close();
    await consumer.close();
    expect(committed.map(({ key }) => key)).toEqual(['a', 'b', 'c']);
    for (const { key, n } of committed) expect(n).toBeGreaterThanOrEqual(highest.get(key) ?? Infinity);
    expect(projected).toEqual(committed.map(({ key, n }) => ({ key, n, applied: n, out_of_order: 0 })));
  },
  240_000,
);
