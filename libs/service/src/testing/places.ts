/**
 * What a place of a run is called, so that two runs mean the same place by it however often each was interrupted: a step that is done again
 * passes its places again, under the same names.
 */
import { basename } from 'node:path';
import type { InjuryTrial } from './injury.ts';

/** One passing of a checkpoint (`runner/step/place`). */
export type Place = {
  readonly checkpoint: string;
  /** Which subject of its runner: as the trial calls it, or by the order in which they came. */
  readonly subject: string;
  /**
   * Which doing of this step, from 1: one that was not recorded is done again under its own number. For places within a step, after a
   * point, which passing in it; for what is read before anything is decided, after how many recorded steps.
   */
  readonly passing: string;
};

/** How far a subject has come where nobody recorded it; undefined where the record alone tells. */
export type Progress = {
  /** Doings of this step that took effect, whoever recorded them. */
  readonly steps?: number;
  /** Statements of this step's kind that took effect, where one doing sends several. */
  readonly statements?: number;
};

type Doing = { readonly number: number; readonly offset: number; readonly passed: Record<string, number> };

/** What `placesOf` knows, as JSON carries it from a process that ends to the next one. */
export type Passed = {
  readonly subjects: Record<string, string>;
  readonly recorded: Record<string, number>;
};

export type Places = {
  /** The name of the place that is passed now. */
  passing(checkpoint: string, subject?: string): Promise<Place>;
  passed(): Passed;
};

/** The places around a step: those of the runner loop, and those of a relay, whose step is to publish. */
const steps: Readonly<Record<string, 'begun' | 'acted' | 'ended'>> = {
  decided: 'begun',
  acted: 'acted',
  recorded: 'ended',
  publishing: 'begun',
  published: 'acted',
  marked: 'ended',
};

/** The places of one incarnation in a world, on what the ones before it passed. */
export function placesOf<World>(
  trial: Pick<InjuryTrial<World>, 'progress' | 'nameOf'>,
  world: World,
  before: Passed = { subjects: {}, recorded: {} },
): Places {
  const subjects = { ...before.subjects };
  const recorded = { ...before.recorded };
  /** The step that each subject is at; of an incarnation that ended it is begun anew. */
  const doings = new Map<string, Doing>();
  const countOf = (of: string) => recorded[of] ?? 0;

  const nameOf = async (runner: string, key: string): Promise<string> => {
    const own = `${runner} ${key}`;
    const given = subjects[own] ?? (await trial.nameOf?.(world, { runner, subject: key }));
    const known = Object.keys(subjects).filter(other => other.startsWith(`${runner} `));
    return (subjects[own] ??= given ?? String(known.length + 1));
  };
  const begin = async (of: string, runner: string, subject: string, step: string): Promise<Doing> => {
    const progress = (await trial.progress?.(world, { runner, subject, step })) ?? {};
    return {
      number: (progress.steps ?? countOf(`${of} ${step}`)) + 1,
      offset: progress.statements ?? 0,
      passed: {},
    };
  };

  return {
    passing: async (checkpoint, key = '') => {
      const [runner = '', step = ''] = checkpoint.split('/');
      const place = basename(checkpoint);
      const subject = await nameOf(runner, key);
      const of = `${runner} ${subject}`;
      const at = (passing: string): Place => ({ checkpoint, subject, passing });
      const is = steps[place];
      if (is === 'begun') doings.set(of, await begin(of, runner, subject, step));
      const doing = doings.get(of);
      if (step === 'observe' || doing === undefined) return at(String(countOf(of)));
      if (is === 'begun' || is === 'acted') return at(String(doing.number));
      if (is === 'ended') {
        doings.delete(of);
        recorded[of] = countOf(of) + 1;
        recorded[`${of} ${step}`] = countOf(`${of} ${step}`) + 1;
        return at(String(doing.number));
      }
      const count = (doing.passed[place] ?? 0) + 1;
      doing.passed[place] = count;
      return at(`${String(doing.number)}.${String(doing.offset + count)}`);
    },
    passed: () => ({ subjects, recorded }),
  };
}

/** `execution/restore/sent 1.3`; with the subject where a runner has several. */
export function renderPlace({ checkpoint, subject, passing }: Place): string {
  return `${checkpoint} ${subject === '1' ? '' : `of ${subject} `}${passing}`;
}
