/** The crash matrix over all runners: one report of every trial, and what together they must prove. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { injuries, type Injury } from './injury.ts';
import type { TrialReport } from './matrix-report.ts';

export type Joined = {
  /** Places that were crashed at, over all trials. */
  readonly points: number;
  readonly runners: readonly string[];
  readonly injuries: Readonly<Record<Injury, { planned: number; hit: number; equal: number; sometimes: number }>>;
  readonly problems: readonly string[];
  readonly trials: readonly TrialReport[];
};

const fewestPoints = 500;
/** Processes that are really killed in a normal run, which has other things to do too. */
const mostKills = 40;

export function readReports(folder: string): readonly TrialReport[] {
  return globSync('**/*.json', { cwd: folder })
    .toSorted()
    .map(file => JSON.parse(readFileSync(join(folder, file), 'utf8')) as TrialReport);
}

/** Projects whose composition root hosts runners: each must have its trials. */
export function servicesWithRunners(workspace: string): readonly string[] {
  return globSync('apps/*/package.json', { cwd: workspace }).flatMap(file => {
    const service = join(workspace, file, '..', 'src', 'service.ts');
    if (!existsSync(service) || !/\bruns\(/.test(readFileSync(service, 'utf8'))) return [];
    return [(JSON.parse(readFileSync(join(workspace, file), 'utf8')) as { readonly name: string }).name];
  });
}

export function joinReports(trials: readonly TrialReport[], services: readonly string[]): Joined {
  const totals = Object.fromEntries(
    injuries.map(injury => {
      const counts = trials.flatMap(({ injuries: own }) => own[injury] ?? []);
      const sum = (of: (count: (typeof counts)[number]) => number) => counts.reduce((all, one) => all + of(one), 0);
      const [planned, hit, equal] = [sum(each => each.planned), sum(each => each.hit), sum(each => each.equal)];
      return [injury, { planned, hit, equal, sometimes: sum(each => each.sometimes.length) }];
    }),
  ) as Joined['injuries'];
  const points = totals.crash.hit;
  const problems = trials.flatMap(({ trial, problems: own }) => own.map(problem => `${trial}: ${problem}`));
  for (const service of services)
    if (!trials.some(({ project }) => project === service)) problems.push(`no trial of ${service} has left its report`);
  if (points < fewestPoints) problems.push(`${String(points)} points are fewer than ${String(fewestPoints)}`);
  for (const [injury, { hit, equal }] of Object.entries(totals))
    if (hit !== equal) problems.push(`${injury}: ${String(hit - equal)} of ${String(hit)} ended otherwise`);
  if (trials.every(({ long }) => !long) && totals.kill.hit > mostKills)
    problems.push(`${String(totals.kill.hit)} kills are more than ${String(mostKills)}`);
  const runners = [...new Set(trials.flatMap(({ project, runners: own }) => own.map(name => `${project} ${name}`)))];
  return { points, runners, injuries: totals, problems, trials };
}
