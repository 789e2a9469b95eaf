import type { Bench } from '../bench.ts';
import { atLeast, figureOf } from '../figure.ts';
import { fromRoot, progressOf, roundsOf, runProgram } from '../program.ts';

const bytes = { usual: 1_073_741_824, quick: 4_194_304 };

export const copyBench: Bench = {
  name: 'copy',
  what: 'a backup file copied with SHA-256 and fsync, by the code that copies it in the product',
  usualRounds: 5,
  async measure({ rounds, quick, folder, say }) {
    const size = quick ? bytes.quick : bytes.usual;
    const args = ['copy', '--rounds', String(rounds), '--bytes', String(size), '--folder', folder];
    const measured = await runProgram(fromRoot('apps/shipping/bench/main.ts'), args, progressOf(say));
    const of = (name: string) => roundsOf(measured, name, 'mebibytesPerSecond');
    const figure = figureOf(
      { ...of('ours'), name: `copy of ${size / 1_048_576} MiB`, unit: 'MiB/s' },
      [of('cp + sync'), of('sha256sum')],
      (value, beside) => [atLeast(value, 0.9 * Math.min(...beside.map(each => each.value)), '0.9 × the slower')],
    );
    const notes = [
      'The source is in the page cache for all three; random bytes; the copy is forced to disk every 64 MiB and at the end.',
    ];
    return { figures: [figure], notes };
  },
};
