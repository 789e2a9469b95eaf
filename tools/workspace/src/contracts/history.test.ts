import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { brokenPromises, publishedHistory, staleDocuments, writeDocuments } from './check.ts';
import { type Documents } from './documents.ts';
import { committedVersions } from './history.ts';

const path = 'events/x.schema.json';
const documentsWith = (...fields: string[]): Documents =>
  new Map([[path, JSON.stringify({ properties: Object.fromEntries(fields.map(field => [field, {}])) })]]);

describe('committed contracts', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-contracts-'));
  const root = join(folder, 'repository');

  beforeAll(() => {
    mkdirSync(root);
    git(root, 'init', '--quiet', '--initial-branch=main');
    commit(documentsWith('a', 'b'));
    git(root, 'checkout', '--quiet', '-b', 'side');
    commit(documentsWith('a', 'b', 'side'));
    // Somebody took it back on the branch, which was then merged: it was published all the same.
    commit(documentsWith('a', 'b'));
    git(root, 'checkout', '--quiet', 'main');
    commit(documentsWith('a'));
    git(root, 'merge', '--quiet', '--no-edit', '--strategy=ours', 'side');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('are found in every version, each once', () => {
    const history = committedVersions(root, 'contracts');
    if (!history.ok) throw new Error(history.reason);
    const texts = history.versions.filter(version => version.path === path).map(({ text }) => text);
    const expected = [documentsWith('a', 'b'), documentsWith('a', 'b', 'side'), documentsWith('a')];
    expect(texts.toSorted()).toEqual(expected.map(documents => documents.get(path)!).toSorted());
  });

  it('are promises that generating again does not undo', () => {
    const history = publishedHistory(root);
    expect(staleDocuments(root, documentsWith('a'))).toEqual([]);
    expect(brokenPromises(history, documentsWith('a'))).toEqual([
      `${path}: event.b was removed`,
      `${path}: event.side was removed`,
    ]);
    expect(brokenPromises(history, documentsWith('a', 'b', 'side', 'c'))).toEqual([]);
    expect(brokenPromises(history, new Map())).toEqual([`${path} was removed`]);
  });

  it("are stale when a file is missing, differs or is nobody's", () => {
    const other = new Map([...documentsWith('a', 'c'), ['more/index.json', '{}']]);
    expect(staleDocuments(root, other)).toEqual([path, 'more/index.json']);
    expect(staleDocuments(root, new Map())).toEqual([path]);
  });

  it('leave the texts for people alone', () => {
    writeFileSync(join(root, 'contracts/README.md'), 'text');
    writeDocuments(root, documentsWith('a'));
    expect(staleDocuments(root, documentsWith('a'))).toEqual([]);
    expect(brokenPromises(publishedHistory(root), documentsWith('a', 'b', 'side'))).toEqual([]);
  });

  it('cannot be judged where there is no history: no checkout, a folder inside another one, a shallow clone', () => {
    mkdirSync(join(folder, 'archive'));
    mkdirSync(join(root, 'unpacked'));
    git(folder, 'clone', '--quiet', '--depth=1', pathToFileURL(root).href, 'shallow');
    const reasons = [join(folder, 'archive'), join(root, 'unpacked'), join(folder, 'shallow')].map(place =>
      publishedHistory(place),
    );
    expect(reasons).toEqual([
      { ok: false, reason: 'no git checkout' },
      { ok: false, reason: 'no git checkout' },
      { ok: false, reason: 'shallow' },
    ]);
  });

  function commit(documents: Documents): void {
    writeDocuments(root, documents);
    git(root, 'add', '.');
    git(root, 'commit', '--quiet', '--message=contracts');
  }
});

function git(cwd: string, ...args: string[]): void {
  const settings = ['user.name=test', 'user.email=test@example.invalid', 'commit.gpgsign=false', 'gc.auto=0'];
  // A hook of this repository names it in the environment; these commands are about another one.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_')));
  const { status, stderr } = spawnSync('git', [...settings.flatMap(setting => ['-c', setting]), ...args], { cwd, env });
  if (status !== 0) throw new Error(stderr.toString());
}
