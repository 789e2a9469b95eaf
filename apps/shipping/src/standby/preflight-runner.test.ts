import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { lookAtFolder } from './preflight-runner.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'holdfast-preflight-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** An instance that sees `root` as E:\\Copies. */
const seesRoot = async (path: string) => existsSync(join(root, ...path.slice('E:\\Copies\\'.length).split('\\')));

it('has the instance look for what it wrote, and leaves neither file nor folder behind', async () => {
  const views = { read: root, write: join(root, 'deep', 'er'), standby: 'E:\\Copies\\deep\\er' };
  expect(await lookAtFolder(views, seesRoot)).toMatchObject({
    readError: null,
    writeError: null,
    seenByInstance: true,
    freeBytes: expect.stringMatching(/^\d+$/),
  });
  expect(readdirSync(root)).toEqual([]);
});

it('says when the instance looks elsewhere, and leaves the folder that was there', async () => {
  const views = { read: root, write: root, standby: 'E:\\Copies\\other' };
  expect(await lookAtFolder(views, seesRoot)).toMatchObject({ writeError: null, seenByInstance: false });
  expect(readdirSync(root)).toEqual([]);
});

it('names a share that is not there and a folder that cannot be written', async () => {
  writeFileSync(join(root, 'file'), '');
  const views = { read: join(root, 'gone'), write: join(root, 'file', 'below'), standby: 'E:\\Copies' };
  expect(await lookAtFolder(views, seesRoot)).toEqual({
    readError: expect.stringContaining('ENOENT'),
    writeError: expect.stringMatching(/ENOTDIR|EEXIST/),
    seenByInstance: null,
    freeBytes: null,
  });
});
