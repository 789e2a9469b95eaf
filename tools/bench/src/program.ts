import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** One line of a measured program: who, in which round, and numbers by name. */
export type Measured = { readonly measured: string; readonly round: number } & Readonly<Record<string, unknown>>;

const lastLinesKept = 20;

/** A path of this repository. */
export function fromRoot(path: string): string {
  return fileURLToPath(new URL(`../../../${path}`, import.meta.url));
}

/**
 * Runs a program that lies beside what it measures and prints one line of JSON per measurement. It holds our end of its standard input, and
 * ends when that closes. @throws Error with its last lines when it fails.
 */
export async function runProgram(
  main: string,
  args: readonly string[],
  onMeasured: (measured: Measured) => void,
): Promise<readonly Measured[]> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const all: Measured[] = [];
  const lastLines: string[] = [];
  const output = createInterface({ input: child.stdout });
  output.on('line', line => {
    const measured = JSON.parse(line) as Measured;
    all.push(measured);
    onMeasured(measured);
  });
  createInterface({ input: child.stderr }).on('line', line => {
    lastLines.push(line);
    if (lastLines.length > lastLinesKept) lastLines.shift();
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`${main} failed (${code ?? 'killed'}).\n${lastLines.join('\n')}`);
  return all;
}

/** The rounds of one candidate. @throws Error when there are none: a figure is never left out. */
export function roundsOf(
  measured: readonly Measured[],
  name: string,
  number: string,
): { name: string; rounds: number[] } {
  const rounds = measured.filter(each => each.measured === name).map(each => each[number]);
  if (rounds.length === 0 || !rounds.every(value => typeof value === 'number'))
    throw new Error(`${number} of ${name} was not measured.`);
  return { name, rounds };
}

/** Progress of a measured program, as it comes. */
export function progressOf(say: (line: string) => void): (measured: Measured) => void {
  return ({ measured, round, ...numbers }) => {
    const shown = Object.entries(numbers).map(
      ([name, value]) => `${name} ${typeof value === 'number' ? Number(value.toPrecision(4)) : String(value)}`,
    );
    say(`  round ${round}  ${measured}: ${shown.join(', ')}`);
  };
}
