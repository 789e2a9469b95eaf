import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Prefix } from './copy.ts';
import { partOf, transferFile, whyFailed, type TransferRequest } from './transfer-runner.ts';

const flushEveryBytes = 1_048_576;
const content = randomBytes(3 * flushEveryBytes + 12_345);
const sha256 = createHash('sha256').update(content).digest('hex');

const owner = { name: 'standby', token: 7 };

let folder: string;
let sourcePath: string;
let writePath: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-transfer-'));
  sourcePath = join(folder, 'source.bak');
  writePath = join(folder, 'copies', 'deep', 'copy.bak');
  writeFileSync(sourcePath, content);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

type Recorded = { size: string | null; sourceModifiedMs: string | null; prefix: Prefix | null; sha256: string | null };
const nothing: Recorded = { size: null, sourceModifiedMs: null, prefix: null, sha256: null };

/** Keeps the records as the store does, and may stop the transfer where it is told to. */
function request(recorded: Recorded, changes: Partial<TransferRequest> = {}) {
  const starts: (string | null)[] = [];
  const asked: TransferRequest = {
    sourcePath,
    writePath,
    owner,
    before: { ...recorded },
    flushEveryBytes,
    signal: new AbortController().signal,
    onStart: async start => {
      starts.push(start.prefix?.bytes ?? null);
      Object.assign(recorded, start, { sha256: null });
    },
    onPrefix: async prefix => void Object.assign(recorded, { prefix }),
    onHashed: async hash => void Object.assign(recorded, { sha256: hash }),
    ...changes,
  };
  return { asked, starts };
}

/** Killed at the second flush: what was recorded until then stays. */
async function cut(recorded: Recorded): Promise<void> {
  let flushes = 0;
  const { asked } = request(recorded);
  const onPrefix = async (prefix: Prefix) => {
    await asked.onPrefix(prefix);
    if (++flushes === 2) throw new Error('killed');
  };
  await expect(transferFile({ ...asked, onPrefix })).rejects.toThrow('killed');
}

describe('a transfer', () => {
  it('brings the whole file under its name, with its hash', async () => {
    const { asked } = request({ ...nothing });
    expect(await transferFile(asked)).toEqual({ kind: 'WRITTEN', size: String(content.length), sha256 });
    expect(readFileSync(writePath).equals(content)).toBe(true);
    expect(existsSync(partOf(writePath, owner))).toBe(false);
  });

  it('goes on after a cut where it was recorded, and drops what was never forced to disk', async () => {
    const recorded = { ...nothing };
    await cut(recorded);
    appendFileSync(partOf(writePath, owner), 'never flushed');
    const { asked, starts } = request(recorded);
    expect(await transferFile(asked)).toMatchObject({ kind: 'WRITTEN', sha256 });
    expect(starts).toEqual([String(2 * flushEveryBytes)]);
    expect(readFileSync(writePath).equals(content)).toBe(true);
  });

  it('goes on with the part of a process that is gone, under its own name, and leaves none of the others', async () => {
    const recorded = { ...nothing };
    await cut(recorded);
    writeFileSync(partOf(writePath, { ...owner, token: 3 }), 'left by an even older one');
    const stranger = partOf(writePath, { name: 'elsewhere', token: 1 });
    writeFileSync(stranger, 'of another standby');
    const { asked, starts } = request(recorded, { owner: { ...owner, token: 9 } });
    expect(await transferFile(asked)).toMatchObject({ kind: 'WRITTEN', sha256 });
    expect(starts).toEqual([String(2 * flushEveryBytes)]);
    expect(readdirSync(dirname(writePath)).toSorted()).toEqual(['copy.bak', basename(stranger)]);
  });

  it('removes what a process that was replaced left beside a whole file, and no part that may be resumed', async () => {
    const whole = join(dirname(writePath), 'whole.bak');
    const begun = join(dirname(writePath), 'begun.bak');
    const kept = [
      partOf(begun, { ...owner, token: 3 }),
      partOf(whole, owner),
      partOf(whole, { name: 'other', token: 1 }),
    ];
    mkdirSync(dirname(writePath), { recursive: true });
    for (const path of [whole, partOf(whole, { ...owner, token: 3 }), ...kept]) writeFileSync(path, '');
    await transferFile(request({ ...nothing }).asked);
    const files = [writePath, whole, ...kept].map(path => basename(path));
    expect(readdirSync(dirname(writePath)).toSorted()).toEqual(files.toSorted());
  });

  it.each([
    ['takes its part over', false],
    ['begins anew', true],
  ])('loses nothing to a process that wakes up after another one %s', async (_what, anew) => {
    const recorded = { ...nothing };
    const old = request(recorded);
    let newer: Awaited<ReturnType<typeof transferFile>> | undefined;
    const onPrefix = async (prefix: Prefix) => {
      await old.asked.onPrefix(prefix);
      const before = anew ? nothing : recorded;
      newer ??= await transferFile(request({ ...before }, { owner: { ...owner, token: 8 } }).asked);
    };
    expect(await transferFile({ ...old.asked, onPrefix })).toMatchObject({ kind: 'FAILED' });
    expect(newer).toMatchObject({ kind: 'WRITTEN', sha256 });
    expect(readFileSync(writePath).equals(content)).toBe(true);
    expect(readdirSync(dirname(writePath))).toEqual(['copy.bak']);
  });

  it('begins again when the part is not what was recorded', async () => {
    const recorded = { ...nothing };
    await cut(recorded);
    const part = readFileSync(partOf(writePath, owner));
    part[5] = (part[5] ?? 0) ^ 1;
    writeFileSync(partOf(writePath, owner), part);
    const { asked, starts } = request(recorded);
    expect(await transferFile(asked)).toMatchObject({ kind: 'WRITTEN', sha256 });
    expect(starts).toEqual([null]);
  });

  it('begins again when the source is another one by now', async () => {
    const recorded = { ...nothing };
    await cut(recorded);
    const other = randomBytes(content.length + 1);
    writeFileSync(sourcePath, other);
    const { asked, starts } = request(recorded);
    await transferFile(asked);
    expect(starts).toEqual([null]);
    expect(readFileSync(writePath).equals(other)).toBe(true);
  });

  it('finds its work done when it was killed behind the rename', async () => {
    const recorded = { ...nothing };
    await transferFile(request(recorded).asked);
    const { mtimeMs, ino } = statSync(writePath);
    expect(await transferFile(request(recorded).asked)).toMatchObject({ kind: 'WRITTEN', sha256 });
    expect(statSync(writePath)).toMatchObject({ mtimeMs, ino });
  });

  it('does not take a file of that name for its own', async () => {
    const recorded = { ...nothing };
    await transferFile(request(recorded).asked);
    writeFileSync(writePath, 'another');
    expect(await transferFile(request(recorded).asked)).toMatchObject({ kind: 'WRITTEN', sha256 });
    expect(readFileSync(writePath).equals(content)).toBe(true);
  });

  it('fails when the source changes meanwhile', async () => {
    const { asked } = request({ ...nothing });
    const onPrefix = async () => appendFileSync(sourcePath, 'more');
    expect(await transferFile({ ...asked, onPrefix })).toMatchObject({ kind: 'FAILED' });
    expect(existsSync(writePath)).toBe(false);
  });

  it('says why when the source is not there', async () => {
    const { asked } = request({ ...nothing }, { sourcePath: join(folder, 'none.bak') });
    expect(await transferFile(asked)).toMatchObject({
      kind: 'FAILED',
      why: 'SOURCE_MISSING',
      error: expect.stringContaining('ENOENT'),
    });
  });

  it('stops when told to, and its part can be resumed', async () => {
    const recorded = { ...nothing };
    const stop = new AbortController();
    const { asked } = request(recorded, { signal: stop.signal });
    const onPrefix = async (prefix: Prefix) => {
      await asked.onPrefix(prefix);
      stop.abort(new Error('yield'));
    };
    await expect(transferFile({ ...asked, onPrefix })).rejects.toThrow('yield');
    expect(recorded.prefix).not.toBeNull();
    expect(await transferFile(request(recorded).asked)).toMatchObject({ kind: 'WRITTEN', sha256 });
  });
});

it.each([
  ['the disk is full', { code: 'ENOSPC', syscall: 'write' }, 'NO_ROOM'],
  ['a quota is used up', { code: 'EDQUOT', syscall: 'write' }, 'NO_ROOM'],
  ['files may not get so large', { code: 'EFBIG', syscall: 'write' }, 'NO_ROOM'],
  ['the source is gone', { code: 'ENOENT', syscall: 'stat', path: '/from/x.bak' }, 'SOURCE_MISSING'],
  ['the destination is gone', { code: 'ENOENT', syscall: 'open', path: '/to/x.bak' }, 'OTHER'],
  ['the share does not answer', { code: 'ETIMEDOUT', syscall: 'read' }, 'OTHER'],
])('is told why it failed when %s', (_what, fields, why) => {
  expect(whyFailed(Object.assign(new Error('it failed'), fields), '/from/x.bak')).toBe(why);
});

// The limit of one process on the size of its files; only Linux has the command that sets it.
const limits = spawnSync('prlimit', ['--version']).status === 0 ? it : it.skip;

limits('goes on where it stopped once the limit of its files is raised', async () => {
  const script = fileURLToPath(new URL('../../test/limited-transfer.ts', import.meta.url));
  const large = randomBytes(100_000);
  writeFileSync(sourcePath, large);
  const nothingYet = { size: null, sourceModifiedMs: null, prefix: null, sha256: null };
  const input = JSON.stringify({ sourcePath, writePath, before: nothingYet });
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', script, input];
  const { stdout } = spawnSync('prlimit', ['--fsize=60000', ...node], { encoding: 'utf8' });
  const { outcome, recorded } = JSON.parse(stdout) as { outcome: unknown; recorded: Recorded };
  expect(outcome).toMatchObject({ kind: 'FAILED', why: 'NO_ROOM', error: expect.stringContaining('EFBIG') });
  expect([existsSync(writePath), Number(recorded.prefix?.bytes)]).toEqual([false, 49_152]);
  const limited = { name: 'limited', token: 2 };
  const { asked, starts } = request(recorded, { owner: limited });
  expect(await transferFile(asked)).toMatchObject({ kind: 'WRITTEN', size: '100000' });
  expect(starts).toEqual(['49152']);
  expect(readFileSync(writePath).equals(large)).toBe(true);
});
