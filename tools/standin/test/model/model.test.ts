/** A separate small model says what random schedules of backups, damage and restores must come to (standin.md, Staying honest, point 6). */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { drawSchedule } from './generator.ts';
import { startHost, type Host, type Instance } from './instance.ts';
import { compare, report, shorten, type Difference } from './judge.ts';
import { plan, sightOf } from './model.ts';
import { emptyWorld, type Plan } from './world.ts';
import type { Sight, Step } from './steps.ts';

const everywhere = process.env['HOLDFAST_TESTS'] === 'long';
const chosen = process.env['STANDIN_SEED'];
/** The same ones every time, so that a difference is of the change that made it; in the long form others as well. */
const firstSeed = Number(chosen ?? (everywhere ? Date.now() % 1_000_000_000 : 1));
const schedules = chosen !== undefined ? 1 : everywhere ? 5000 : 500;
/** History makes an instance slow: another one takes over after so many. */
const schedulesPerInstance = 100;

/** What stands between the model and the stand-in: nothing, or a lie. */
type Bend = (instance: Instance) => Instance;

class Court {
  #host: Host | undefined;
  #opened = 0;
  readonly #bend: Bend;

  constructor(bend: Bend = instance => instance) {
    this.#bend = bend;
  }

  async run(steps: readonly Step[]): Promise<Difference | undefined> {
    this.#host ??= await startHost();
    this.#opened += 1;
    const prefix = `s${this.#opened}_`;
    const difference = await compare(steps, this.#bend(this.#host.open(prefix)));
    await this.#host.clear(prefix);
    if (this.#opened % schedulesPerInstance === 0) await this.end();
    return difference;
  }

  /** The report of the first difference in so many schedules, shortened. */
  async judge(from: number, count: number): Promise<string | undefined> {
    for (let seed = from; seed < from + count; seed += 1) {
      const difference = await this.run(drawSchedule(seed));
      if (difference !== undefined) return report(seed, await shorten(difference, steps => this.run(steps)));
    }
    return undefined;
  }

  async end(): Promise<void> {
    await this.#host?.close();
    this.#host = undefined;
  }
}

let court: Court;

beforeEach(() => {
  court = new Court();
});
afterEach(() => court.end());

it(
  `agrees on ${schedules} schedules (STANDIN_SEED=${firstSeed} and on)`,
  async () => {
    process.stdout.write(`model: ${schedules} schedules from STANDIN_SEED=${firstSeed}\n`);
    expect(await court.judge(firstSeed, schedules)).toBeUndefined();
  },
  everywhere ? 7_200_000 : 600_000,
);

it('asks a model that shares no code with the stand-in', () => {
  for (const name of ['history', 'media', 'model', 'restore-rules', 'steps', 'stop-rules', 'world']) {
    const text = readFileSync(new URL(`${name}.ts`, import.meta.url), 'utf8');
    const imported = [...text.matchAll(/from '([^']+)'/g)].map(([, from]) => from ?? '');
    expect(imported.filter(from => !from.startsWith('./'))).toEqual([]);
    expect(imported).not.toContain('./instance.ts');
  }
});

/** What the model says to each step of a schedule. */
function foretold(seed: number): readonly (Plan & { readonly step: Step })[] {
  const plans: (Plan & { readonly step: Step })[] = [];
  for (const step of drawSchedule(seed)) {
    const verdict = plan(plans.at(-1)?.after ?? emptyWorld, step);
    if (typeof verdict === 'string') throw new Error(`seed ${seed}: ${verdict}`);
    plans.push({ ...verdict, step });
  }
  return plans;
}

it('draws schedules that meet what restores can meet', () => {
  const met = new Set<number>();
  for (let seed = 1; seed <= 500; seed += 1)
    for (const { errors, infos } of foretold(seed)) for (const number of [...errors, ...infos]) met.add(number);
  const restores = [
    3117, 3118, 3120, 3135, 3136, 3145, 3153, 3154, 3159, 3183, 3187, 3201, 3203, 3241, 3254, 3256, 3287, 4305, 4319,
    4322, 4326, 4329, 4330, 4333, 4335, 4338, 4340,
  ];
  const others = [911, 927, 945, 3035, 3036, 3266, 3701, 4208, 4214, 5052];
  expect([...restores, ...others].filter(number => !met.has(number))).toEqual([]);
});

it('draws stops at an LSN within a log, beyond it, before the position, and in a data backup', () => {
  const met = new Set<string>();
  for (let seed = 1; seed <= 2000; seed += 1)
    for (const { step, errors, infos } of foretold(seed)) {
      if (step.kind !== 'restore' || step.stop?.kind !== 'lsn') continue;
      const { before, of } = step.stop;
      met.add(`${step.what} ${String(errors[0] ?? infos[0] ?? 'reached')}`);
      if (errors.length + infos.length === 0) met.add(`${before ? 'before' : 'at'} ${of.at}`);
    }
  const stops = ['before first', 'before last', 'before mark', 'at first', 'at last', 'at mark'];
  const ends = ['log reached', 'log 4329', 'log 4335', 'database 4329', 'database 4338'];
  expect([...stops, ...ends].filter(each => !met.has(each))).toEqual([]);
});

it('draws tails of databases that have lost their data file, and restores them', () => {
  let restored = 0;
  for (let seed = 1; seed <= 2000; seed += 1) {
    const tails = new Set<number>();
    for (const { step, errors, after } of foretold(seed)) {
      if (errors.length > 0) continue;
      if (step.kind === 'backup' && after.databases.get(step.database)?.lost === true) tails.add(step.second);
      const file = step.kind === 'restore' ? after.files.get(step.file) : undefined;
      if (step.kind !== 'restore' || file?.content !== 'sets') continue;
      if (tails.has(file.sets[step.position - 1]?.set.second ?? -1)) restored += 1;
    }
  }
  expect(restored).toBeGreaterThan(10);
});

const honest = {
  perform: (instance: Instance, step: Step) => instance.perform(step),
  sight: (instance: Instance, locked: ReadonlySet<string>) => instance.sight(locked),
  marks: (instance: Instance) => instance.marks(),
};

function lying(part: Partial<typeof honest>): Bend {
  const { perform, sight, marks } = { ...honest, ...part };
  return instance => ({
    perform: step => perform(instance, step),
    sight: locked => sight(instance, locked),
    marks: () => marks(instance),
  });
}

describe('a stand-in that', () => {
  const lies: readonly {
    readonly name: string;
    readonly bend: Bend;
    /** Where the lie can be told. */
    readonly chance: (plan: Plan) => boolean;
    readonly told: RegExp;
  }[] = [
    {
      name: 'loses a row of a restored database',
      bend: lying({
        sight: async (instance, locked) =>
          changed(await instance.sight(locked), 'R', state => state.replace(/ \d+=\d+$/, '')),
      }),
      chance: ({ after }) => / \d/.test(sightOf(after)['R'] ?? ''),
      told: /RECOVERY.*expected .*"R":"ONLINE \d/s,
    },
    {
      name: 'calls a gap old',
      bend: lying({
        perform: async (instance, step) => {
          const answer = await instance.perform(step);
          return { ...answer, errors: answer.errors.map(number => (number === 4305 ? 4326 : number)) };
        },
      }),
      chance: ({ errors }) => errors.includes(4305),
      told: /expected \{"errors":\[4305,3013\].*found {4}\{"errors":\[4326,3013\]/s,
    },
    {
      name: 'does not say that a stop was missed',
      bend: lying({ perform: async (instance, step) => ({ ...(await instance.perform(step)), infos: [] }) }),
      chance: ({ infos }) => infos.length > 0,
      told: /expected \{"errors":\[\],"infos":\[43/,
    },
    {
      name: 'leaves a database online after its tail was backed up',
      bend: lying({
        sight: async (instance, locked) =>
          changed(await instance.sight(locked), 'A', state => state.replace('RESTORING', 'ONLINE')),
      }),
      chance: ({ after }) => after.databases.get('A')?.state === 'RESTORING',
      told: /expected .*"A":"RESTORING"/,
    },
    {
      name: 'shows in a standby what it undid',
      bend: lying({
        sight: async (instance, locked) =>
          changed(await instance.sight(locked), 'R', state => state.replace(/^STANDBY.*/, '$& 99=99')),
      }),
      chance: ({ after }) => after.databases.get('R')?.state === 'STANDBY',
      told: /STANDBY.*expected .*"R":"STANDBY/s,
    },
    {
      name: 'forgets a mark',
      bend: lying({ marks: async instance => (await instance.marks()).slice(1) }),
      chance: ({ after }) => after.marks.length > 0,
      told: /WITH MARK.*expected \["/s,
    },
  ];
  for (const { name, bend, chance, told } of lies) {
    it(`${name} is found out, in few steps`, async () => {
      const seed = Array.from({ length: 1000 }, (_, at) => at + 1).find(each => foretold(each).some(chance)) ?? 0;
      court = new Court(bend);
      const found = await court.judge(seed, 1);
      expect(found).toMatch(told);
      expect(found?.split('\n').filter(line => / s {2}/.test(line)).length).toBeLessThanOrEqual(12);
    });
  }
});

function changed(sight: Sight, name: string, change: (state: string) => string): Sight {
  const state = sight[name];
  return state === undefined ? sight : { ...sight, [name]: change(state) };
}
