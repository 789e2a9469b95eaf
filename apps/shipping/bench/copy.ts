import { execFile } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { transferFile } from '../src/copy/transfer-runner.ts';

export type CopyOptions = {
  readonly rounds: number;
  readonly bytes: number;
  /** On the disk that is to be measured. */
  readonly folder: string;
};

export type Measured = { readonly measured: string; readonly round: number; readonly mebibytesPerSecond: number };

const run = promisify(execFile);
const mebibyte = 1_048_576;
/** The setting `shipping.flushEveryMegabytes` as it is without a wish. */
const flushEveryBytes = 64 * mebibyte;

/**
 * One file, by our copy (hashed on the way, forced to disk, renamed), by `cp` with `sync` of the copy, and read by `sha256sum`; round after
 * round, in turning order. Before each, the disk is idle and there is no copy; the source is in the page cache for all of them.
 */
export async function* copyRounds({ rounds, bytes, folder }: CopyOptions): AsyncGenerator<Measured> {
  const own = await mkdtemp(join(folder, 'copy-'));
  const source = join(own, 'source.bak');
  const copy = join(own, 'copy.bak');
  try {
    await fill(source, bytes);
    const expected = await sha256sum(source);
    const candidates: Record<string, () => Promise<void>> = {
      ours: async () => assertHash(await transfer(source, copy), expected),
      'cp + sync': async () => {
        await run('cp', [source, copy]);
        await run('sync', [copy]);
      },
      sha256sum: async () => assertHash(await sha256sum(source), expected),
    };
    for (let round = 1; round <= rounds; round += 1) {
      const order = Object.entries(candidates);
      for (const [measured, work] of round % 2 === 1 ? order : order.toReversed()) {
        await rm(copy, { force: true });
        await run('sync', []);
        const startedAt = performance.now();
        await work();
        const seconds = (performance.now() - startedAt) / 1_000;
        yield { measured, round, mebibytesPerSecond: bytes / mebibyte / seconds };
      }
    }
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}

/** Bytes that no disk can shorten. */
async function fill(path: string, bytes: number): Promise<void> {
  const handle = await open(path, 'wx');
  const chunk = Buffer.alloc(mebibyte);
  for (let done = 0; done < bytes; done += chunk.length)
    await handle.write(randomFillSync(chunk), 0, Math.min(chunk.length, bytes - done));
  await handle.sync();
  await handle.close();
}

async function transfer(sourcePath: string, writePath: string): Promise<string> {
  const outcome = await transferFile({
    sourcePath,
    writePath,
    owner: { name: 'bench', token: 1 },
    before: { size: null, sourceModifiedMs: null, prefix: null, sha256: null },
    flushEveryBytes,
    signal: new AbortController().signal,
    onStart: async () => undefined,
    onPrefix: async () => undefined,
    onHashed: async () => undefined,
  });
  if (outcome.kind === 'FAILED') throw new Error(outcome.error);
  return outcome.sha256;
}

async function sha256sum(path: string): Promise<string> {
  const { stdout } = await run('sha256sum', [path]);
  return stdout.slice(0, 64);
}

function assertHash(found: string, expected: string): void {
  if (found !== expected) throw new Error(`the copy's hash is ${found}, not ${expected}`);
}
