import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Outcome } from './bench.ts';
import { type Figure, isMeasured, type Unmeasured } from './figure.ts';
import type { Machine } from './machine.ts';

/** The last run of one measurement, with the machine as it was then. */
export type Entry = Outcome & {
  readonly name: string;
  readonly what: string;
  /** What repeats it. */
  readonly command: string;
  /** RFC 3339 UTC */
  readonly measuredAt: string;
  readonly seconds: number;
  readonly rounds: number;
  readonly quick: boolean;
  readonly machine: Machine;
};

export type Report = { readonly format: 1; readonly benches: Readonly<Record<string, Entry>> };

const empty: Report = { format: 1, benches: {} };

/** What was measured before stays beside what is measured now: each entry says when and on what it was. */
export function withEntries(report: Report, entries: readonly Entry[]): Report {
  const benches = { ...report.benches, ...Object.fromEntries(entries.map(entry => [entry.name, entry])) };
  return { ...report, benches };
}

/** A missing one is empty; one of another format is begun anew. */
export async function readReport(file: string): Promise<Report> {
  try {
    const found = JSON.parse(await readFile(file, 'utf8')) as Partial<Report>;
    return found.format === 1 && found.benches !== undefined ? (found as Report) : empty;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return empty;
    throw error;
  }
}

export async function writeReport(file: string, report: Report): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.part`, `${JSON.stringify(report, undefined, 2)}\n`);
  await rename(`${file}.part`, file);
}

export function unmeasuredOf(entries: readonly Pick<Entry, 'figures'>[]): readonly Unmeasured[] {
  return entries.flatMap(({ figures }) => figures).filter((figure): figure is Unmeasured => !isMeasured(figure));
}

export function missedOf(entries: readonly Pick<Entry, 'figures'>[]): readonly Figure[] {
  return entries
    .flatMap(({ figures }) => figures)
    .filter(isMeasured)
    .filter(({ goals }) => goals.some(({ met }) => !met));
}
