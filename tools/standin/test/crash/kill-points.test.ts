/** `kill -9` of a whole instance within every statement that takes long or touches files, seen through the driver after its restart. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { trials, type Trial } from './statements.ts';
import { copyOf, makeTemplate, removeWorld } from './template.ts';
import { prefixes } from './observation.ts';
import { cleanRun, killAt, woundedCopy, type Aftermath, type CleanRun, type Place } from './trial.ts';
import { unsynced } from './unsynced.ts';

const everywhere = process.env['HOLDFAST_TESTS'] === 'long';
const timeLimitMs = everywhere ? 3_600_000 : 300_000;

type Report = {
  readonly clean: CleanRun;
  /** Steps of the table that were never found. */
  readonly unseen: readonly string[];
  readonly problems: readonly string[];
};

let template = '';
const reports = new Map<Trial, Promise<Report>>();

beforeAll(async () => {
  template = await makeTemplate();
  // Two at a time: most of a trial is the start of a process.
  let turn: Promise<unknown>[] = [Promise.resolve(), Promise.resolve()];
  for (const trial of trials) {
    const [first = Promise.resolve(), ...rest] = turn;
    const report = first.then(() => run(trial));
    reports.set(trial, report);
    turn = [...rest, report.catch(() => undefined)];
  }
}, timeLimitMs);

afterAll(async () => {
  await Promise.allSettled(reports.values());
  removeWorld(template);
});

async function run(trial: Trial): Promise<Report> {
  const world = trial.wound === undefined ? copyOf(template) : await woundedCopy(template, trial.wound);
  try {
    const clean = await cleanRun(world, trial.act);
    const steps = prefixes(trial.steps ?? []);
    const allowed = ['', ...steps, clean.changed];
    const unseen = new Set(steps);
    const problems: string[] = [];
    for (const place of placesOf(trial, clean)) {
      const where = place === 'answered' ? place : `${place.name}:${place.passing}`;
      const look = async (aftermath: Aftermath): Promise<readonly string[]> => {
        unseen.delete(aftermath.changed);
        const found = [
          ...aftermath.complaints,
          ...misplaced(place === 'answered' ? [clean.changed] : allowed, aftermath),
        ];
        return [...found, ...(await trial.ending(aftermath, clean))];
      };
      const found = await killAt(world, trial.act, place, clean, look).catch((failure: unknown) => [String(failure)]);
      problems.push(...found.map(problem => `killed at ${where}: ${problem}`));
    }
    return { clean, unseen: [...unseen], problems };
  } finally {
    removeWorld(world);
  }
}

/** An answered statement has happened; any other has not, has, or is at one of its steps. */
function misplaced(allowed: readonly string[], { changed }: Aftermath): readonly string[] {
  return allowed.includes(changed) ? [] : [`found: ${changed || 'nothing'}`];
}

/**
 * Without the places that change nothing a kill could leave behind: a sync, and all but one inside of a file that has not got its name yet. The
 * normal run takes a sample, in which a file written in many pieces counts no more than one written in two.
 */
function placesOf({ act, sample = 1 }: Trial, { places }: CleanRun): readonly (Place | 'answered')[] {
  const isLast = ({ name, passing }: Place): boolean =>
    !places.some(other => other.name === name && other.passing > passing);
  const answered = typeof act === 'object' ? (['answered'] as const) : [];
  const telling = places
    .filter(({ name }) => name !== 'ready' && !name.startsWith('sync '))
    .filter(place => !place.name.endsWith('.new') || (place.name.startsWith('half ') && isLast(place)));
  if (everywhere) return [...telling, ...answered];
  const candidates = [...telling.filter(place => place.passing === 1 || isLast(place)), ...answered];
  const stride = candidates.length / sample;
  return Array.from({ length: sample }, (_, at) => candidates[Math.floor((at + 0.6) * stride)]).flatMap(
    each => each ?? [],
  );
}

describe('an instance killed within', () => {
  it.each(trials.map(trial => [trial.name, trial] as const))(
    '%s',
    async (_name, trial) => {
      const report = await reports.get(trial);
      expect(report?.problems).toEqual([]);
      // What the table allows and nothing shows would be a hole in it.
      if (everywhere) expect(report?.unseen).toEqual([]);
    },
    timeLimitMs,
  );
});

describe('nothing is answered before it is on the disk:', () => {
  it.each(trials.filter(trial => typeof trial.act === 'object').map(trial => [trial.name, trial] as const))(
    '%s',
    async (_name, trial) => {
      const report = await reports.get(trial);
      expect(unsynced(report?.clean.places.map(place => place.name) ?? [])).toEqual([]);
    },
    timeLimitMs,
  );

  it('a backup: its content before its end, both before its place in the chain, that before its row in msdb', async () => {
    const trial = trials.find(each => each.name === 'BACKUP LOG');
    const report = trial === undefined ? undefined : await reports.get(trial);
    const places = report?.clean.places.map(place => place.name) ?? [];
    const order = ['sync app-2.bak', 'write app-2.bak', 'sync app-2.bak', 'sync instance.journal', 'write MSDBLog.ldf'];
    let at = 0;
    for (const name of places) if (name === order[at]) at += 1;
    expect(order.slice(at)).toEqual([]);
    expect(places.lastIndexOf('sync app-2.bak')).toBeLessThan(places.indexOf('write instance.journal'));
  });
});
