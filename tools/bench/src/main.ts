import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { untilAskedToEnd } from '@holdfast/run';
import type { Bench } from './bench.ts';
import { benches } from './benches.ts';
import { type BenchConfig, readBenchConfig } from './config.ts';
import { busyWarning, machineFacts } from './machine.ts';
import { fromRoot } from './program.ts';
import { type Entry, missedOf, readReport, unmeasuredOf, withEntries, writeReport } from './report.ts';
import { renderTable } from './table.ts';

/** `npm run bench`: exit status 0 when everything was measured, whatever the goals say; 1 when something could not be measured. */
async function main(): Promise<boolean> {
  const config = readBenchConfig(
    process.argv.slice(2),
    benches.map(({ name }) => name),
  );
  const say = (line: string): void => console.error(line);
  const file = fromRoot(`reports/bench${config.quick ? '-quick' : ''}.json`);
  const entries: Entry[] = [];
  for (const bench of benches.filter(({ name }) => config.names.includes(name))) {
    entries.push(await entryOf(bench, config, say));
    // One after the other: what was measured is kept when the next one fails or is cut.
    await writeReport(file, withEntries(await readReport(file), entries));
  }
  const unmeasured = unmeasuredOf(entries);
  if (config.json)
    console.log(JSON.stringify({ entries, unmeasured: unmeasured.length, missed: missedOf(entries).length }));
  else console.log(`\n${renderTable(entries)}\n\n${file}`);
  return unmeasured.length === 0;
}

async function entryOf(bench: Bench, { rounds, quick }: BenchConfig, say: (line: string) => void): Promise<Entry> {
  const { name, what } = bench;
  const machine = machineFacts();
  const wanted = rounds ?? (quick ? 1 : bench.usualRounds);
  say(`${name}: ${what}`);
  const warning = busyWarning(machine);
  if (warning !== undefined) say(`  ${warning}`);
  const folder = await mkdtemp(join(tmpdir(), `holdfast-bench-${name}-`));
  const startedAt = performance.now();
  const outcome = await bench.measure({ rounds: wanted, quick, folder, say }).catch((error: unknown) => {
    say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    // A figure is never silently left out.
    return {
      figures: [{ name: 'all of it', unmeasured: error instanceof Error ? error.message : String(error) }],
      notes: [],
    };
  });
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  const notes = [...(warning === undefined ? [] : [warning]), ...outcome.notes];
  const command = [
    'npm run bench --',
    name,
    ...(rounds === undefined ? [] : ['--rounds', rounds]),
    ...(quick ? ['--quick'] : []),
  ];
  return {
    ...{ name, what, command: command.join(' '), measuredAt: new Date().toISOString(), rounds: wanted, quick, machine },
    ...{ ...outcome, notes, seconds: Math.round(performance.now() - startedAt) / 1_000 },
  };
}

void untilAskedToEnd({ env: process.env }).then(reason => {
  console.error(`Stopped: ${reason}.`);
  process.exit(1);
});
try {
  process.exit((await main()) ? 0 : 1);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
