import { parseArgs } from 'node:util';

export type BenchConfig = {
  /** In the order of the list; all of them when none was named. */
  readonly names: readonly string[];
  /** The report on standard output, progress on standard error. */
  readonly json: boolean;
  /** Of each measurement; undefined: as many as it usually has. */
  readonly rounds: number | undefined;
  /** Small amounts, one round: shows that it runs, says nothing about speed. */
  readonly quick: boolean;
};

/** `npm run bench -- [NAME …] [--json] [--rounds N] [--quick]`. @throws Error that names what is wrong. */
export function readBenchConfig(args: readonly string[], known: readonly string[]): BenchConfig {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
    },
  });
  const { json, quick, rounds } = values;
  const unknown = positionals.filter(name => !known.includes(name));
  if (unknown.length > 0)
    throw new Error(`There is no measurement "${unknown.join('", "')}". Those that exist: ${known.join(', ')}.`);
  if (rounds !== undefined && !/^[1-9]\d{0,2}$/.test(rounds))
    throw new Error(`--rounds is a whole number from 1 to 999, not "${rounds}".`);
  const names = positionals.length === 0 ? known : known.filter(name => positionals.includes(name));
  return { names, json, quick, rounds: rounds === undefined ? undefined : Number(rounds) };
}
