import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import type { StandbyId } from '@holdfast/domain';
import type { Store } from '@holdfast/store';
import { flushEveryBytes, startCopying } from '../../test/copying.ts';
import { full, log as logSet, type SetPayload } from '../../test/estate.ts';
import { patienceMs, until } from '../../test/publisher.ts';
import { fillStore, openWorldStore } from '../../test/world.ts';
import { saveSet } from '../estate/estate-store.ts';
import type { ShippingTables } from '../tables.ts';
import type { Copy } from './copy.ts';
import { listCopies } from './copy-store.ts';

// What keeps a file from being copied. Nobody answers where the standby instance should be: no header is read here.

jest.setTimeout(patienceMs);

const nobody = { server: '127.0.0.1', port: 1, instanceName: null, encrypt: false, trustServerCertificate: false };

let folder: string;
let share: string;
let copies: string;
let store: Store<ShippingTables>;
let standbyId: StandbyId;
let laterMs: number;
let stop: () => Promise<void>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-copy-runner-'));
  [share, copies] = [join(folder, 'share'), join(folder, 'copies')];
  for (const made of [join(share, 'FULL'), copies]) mkdirSync(made, { recursive: true });
  store = await openWorldStore(folder);
  laterMs = 0;
  stop = async () => undefined;
});
afterEach(async () => {
  await stop();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A full of both databases, whose files lie in the share and are so long. */
async function prepare(bytes: readonly [number, number]) {
  const set = ofPrimary(full());
  const { files } = set;
  for (const [index, { path }] of files.entries()) writeFileSync(inShare(path), randomBytes(bytes[index]!));
  const mapped = { read: share, write: copies, standby: 'E:\\Copies' };
  standbyId = await fillStore(store, { sets: [set], server: { address: nobody }, folder: mapped });
  return files.map(({ path }) => path) as [string, string];
}

/** `places` moves a file as its instance reports it. */
function ofPrimary(made: SetPayload, places: (path: string) => string = path => path): SetPayload {
  const files = made.files.map(file => ({ ...file, sourceInstance: 'PRIMARY\\BTS', path: places(file.path) }));
  return { ...made, files };
}

const below = (root: string, path: string) => join(root, ...path.slice('D:\\Backup\\'.length).split('\\'));
const inShare = (path: string) => below(share, path);

/** `laterMs` is how far its clock is ahead. */
const start = (hook?: (checkpoint: string) => void) => {
  const clock = () => Date.now() + laterMs;
  ({ stop } = startCopying(store, { fencingToken: 2, clock, ...(hook === undefined ? {} : { hook }) }));
};

const stored = () => store.read(db => listCopies(db, [standbyId]));
const hasCode = (code: string) => (copy: Copy) => copy.problem?.reason.code === code;
const untilAll = (what: string, is: (copy: Copy, index: number) => boolean) =>
  until(what, async () => {
    const all = (await stored()).toSorted((a, b) => (a.writePath < b.writePath ? -1 : 1));
    return all.length === 2 && all.every(is) ? all : undefined;
  });
const isWritten = ({ state }: Copy) => state === 'WRITTEN';
const filesIn = (root: string) =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .toSorted();

// A limit on the size of a process's files stands in for a full disk; only Linux has the command that sets it.
const limited = spawnSync('prlimit', ['--version']).status === 0 ? it : it.skip;

limited('says that there is no room, shows nothing under the name, and goes on where it stopped', async () => {
  const [large, small] = await prepare([9 * flushEveryBytes, 1_000]);
  const script = fileURLToPath(new URL('../../test/copying-process.ts', import.meta.url));
  // Beyond what the store itself needs.
  const limit = `--fsize=${String(6.5 * flushEveryBytes)}`;
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', script, folder];
  const child = spawn('prlimit', [limit, ...node], { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = new Promise(resolve => child.once('close', resolve));
  stop = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  const [full, other] = await untilAll('no room', (copy, index) =>
    index === 0 ? hasCode('DESTINATION_FULL')(copy) : isWritten(copy),
  );
  await stop();
  expect(full).toMatchObject({ state: 'WRITING', prefix: { bytes: String(6 * flushEveryBytes) }, sha256: null });
  expect(full?.problem?.reason).toMatchObject({
    message: expect.stringContaining('BizTalkMgmtDb in set 1'),
    evidence: expect.stringMatching(/^D:\\Backup\\FULL\\1_BizTalkMgmtDb\.bak: EFBIG/),
  });
  expect(existsSync(below(copies, large))).toBe(false);
  expect([other?.problem, readFileSync(below(copies, small)).length]).toEqual([null, 1_000]);
  // What was forced to disk stays as a part beside its place, for whoever goes on.
  const parts = filesIn(copies).filter(path => path.endsWith('.part'));
  expect(parts.map(path => dirname(path))).toEqual([dirname(below(copies, large))]);

  let flushes = 0;
  start(checkpoint => {
    if (checkpoint === 'copy/copy/flushed') flushes += 1;
  });
  laterMs = 600_000;
  await untilAll('whole', isWritten);
  expect(readFileSync(below(copies, large)).equals(readFileSync(inShare(large)))).toBe(true);
  expect(filesIn(copies)).toEqual([below(copies, large), below(copies, small)].toSorted());
  expect(flushes).toBe(3);
});

it('says that the share is gone, changes nothing, and goes on when it is back', async () => {
  const paths = await prepare([1_000, 2_000]);
  renameSync(share, `${share}.away`);
  start();
  const gone = await untilAll('gone', hasCode('SOURCE_FILE_MISSING'));
  expect(gone.map(({ state, size, sha256 }) => [state, size, sha256])).toEqual([
    ['WRITING', null, null],
    ['WRITING', null, null],
  ]);
  expect([existsSync(share), filesIn(copies)]).toEqual([false, []]);
  renameSync(`${share}.away`, share);
  laterMs = 600_000;
  await untilAll('whole', isWritten);
  for (const path of paths) expect(readFileSync(below(copies, path)).equals(readFileSync(inShare(path)))).toBe(true);
});

it('leaves nothing of a leader that froze, was replaced and is stopped', async () => {
  const paths = await prepare([1_000, 2_000]);
  const frozen = Promise.withResolvers<undefined>();
  const thaw = Promise.withResolvers<undefined>();
  const old = startCopying(store, {
    fencingToken: 1,
    hook: async checkpoint => {
      if (checkpoint !== 'copy/copy/started') return;
      frozen.resolve(undefined);
      await thaw.promise;
    },
  });
  await frozen.promise;
  start();
  await untilAll('whole', isWritten);
  const stopping = old.stop();
  thaw.resolve(undefined);
  await stopping;
  expect(filesIn(copies)).toEqual(paths.map(path => below(copies, path)).toSorted());
});

it('follows no path that steps up, and reads and writes nothing for it', async () => {
  await prepare([1_000, 1_000]);
  start();
  await untilAll('whole', isWritten);
  // As if somebody had read their headers: the next set has its turn.
  await store.transaction(tx => tx.updateTable('copy').set({ state: 'VERIFIED' }).execute());
  writeFileSync(join(folder, 'secret.bak'), 'not a backup');
  const files = () => filesIn(folder).filter(path => !path.includes('shipping.db'));
  const before = files();
  const log = ofPrimary(logSet(2), path => path.replace(/LOG.*Mgmt.*/, '..\\secret.bak'));
  await store.transaction(tx => saveSet(tx, log));
  const refused = await until('refused', async () => (await stored()).find(hasCode('FOLDER_NOT_MAPPED')));
  expect(refused).toMatchObject({ state: 'WRITING', writePath: '', size: null, sha256: null });
  expect(refused.problem?.reason.evidence).toBe('D:\\Backup\\..\\secret.bak');
  await until('the other one is looked for', async () => (await stored()).find(hasCode('SOURCE_FILE_MISSING')));
  expect(files()).toEqual(before);
});
