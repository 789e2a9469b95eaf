/** What each suite of injuries leaves in `reports/crash-matrix/`, for crash-matrix.ts to join. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Coverage } from './coverage.ts';
import type { Injury } from './injury.ts';
import { type Place, renderPlace } from './places.ts';

export const workspace = fileURLToPath(new URL('../../../../', import.meta.url));

export type Counts = {
  readonly planned: number;
  readonly hit: number;
  readonly equal: number;
  readonly sometimes: readonly string[];
  readonly runs: number;
  readonly seconds: number;
};

export type TrialReport = {
  readonly project: string;
  readonly trial: string;
  readonly title: string;
  /** Every place with every injury. */
  readonly long: boolean;
  readonly seed: number;
  readonly runners: readonly string[];
  readonly injuries: Partial<Record<Injury, Counts>>;
  readonly problems: readonly string[];
  /** Each with the injuries after which the run ended as a clean one does. */
  readonly places: Readonly<Record<string, readonly Injury[]>>;
};

export type Measured = Coverage & { readonly seconds: number };

export function reportOf(
  about: Pick<TrialReport, 'title' | 'long' | 'seed' | 'runners'>,
  module: URL,
  places: readonly Place[],
  measured: ReadonlyMap<Injury, Measured>,
): TrialReport {
  const equal = [...measured].map(([injury, { equal }]) => [injury, new Set(equal.map(renderPlace))] as const);
  return {
    project: projectOf(module),
    trial: basename(module.pathname).replace(/-trial\.ts$/, ''),
    ...about,
    injuries: Object.fromEntries(
      [...measured].map(([injury, { planned, hit, equal, sometimes, runs, seconds }]) => [
        injury,
        { planned, hit: hit.length, equal: equal.length, sometimes: sometimes.map(renderPlace), runs, seconds },
      ]),
    ),
    problems: [...measured.values()].flatMap(({ problems }) => problems),
    places: Object.fromEntries(
      places
        .map(renderPlace)
        .map(place => [place, equal.filter(([, ids]) => ids.has(place)).map(([injury]) => injury)]),
    ),
  };
}

/** Under the project's name, so that it can be declared as the output of the project's tests. */
export function writeReport(report: TrialReport, folder: string = join(workspace, 'reports', 'crash-matrix')): void {
  const file = join(folder, report.project, `${report.trial}.json`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
}

function projectOf(module: URL): string {
  let folder = dirname(fileURLToPath(module));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { readonly name: string }).name;
}
