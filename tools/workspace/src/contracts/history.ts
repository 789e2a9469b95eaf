import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';

/** One document as some commit had it. */
export type CommittedVersion = { readonly path: string; readonly text: string };
export type History =
  | { readonly ok: true; readonly versions: readonly CommittedVersion[] }
  /** `shallow`: there is a history, but this checkout does not have it. */
  | { readonly ok: false; readonly reason: 'no git checkout' | 'shallow' };

/**
 * Every version of every file under `folder` that HEAD's history holds, each content once; `path` is relative to `folder`.
 * @throws Error when git fails for another reason than that there is no checkout.
 */
export function committedVersions(root: string, folder: string): History {
  const place = spawnSync('git', ['rev-parse', '--is-shallow-repository', '--show-toplevel'], { cwd: root });
  if (place.error !== undefined || place.status !== 0) return { ok: false, reason: 'no git checkout' };
  const [shallow, topLevel = ''] = place.stdout.toString().trim().split(/\r?\n/);
  // A source archive that was unpacked inside another repository has no history of its own.
  if (realpathSync(topLevel) !== realpathSync(root)) return { ok: false, reason: 'no git checkout' };
  if (shallow === 'true') return { ok: false, reason: 'shallow' };

  const found = new Map<string, string>();
  // Side branches too, and each parent of a merge: a version that was ever published counts.
  const options = ['--raw', '--no-abbrev', '--no-renames', '--full-history', '-m', '--format='];
  for (const line of git(root, ['log', ...options, '--', folder])
    .toString()
    .split('\n')) {
    const [, object, path] = /^:\d+ \d+ [0-9a-f]+ ([0-9a-f]+) [AMT]\t(.+)$/.exec(line) ?? [];
    if (object !== undefined && path !== undefined) found.set(`${object} ${path}`, object);
  }
  const texts = objects(root, [...new Set(found.values())]);
  const versions = [...found].map(([key, object]) => {
    const text = texts.get(object);
    if (text === undefined) throw new Error(`git did not answer for ${key}`);
    return { path: key.slice(object.length + 1 + folder.length + 1), text };
  });
  return { ok: true, versions };
}

/** Contents by object name, all from one process. */
function objects(root: string, names: readonly string[]): Map<string, string> {
  const answer = git(root, ['cat-file', '--batch'], names.map(name => `${name}\n`).join(''));
  const texts = new Map<string, string>();
  for (let at = 0; at < answer.length;) {
    const lineEnd = answer.indexOf('\n', at);
    const [name = '', type, size] = answer.toString('utf8', at, lineEnd).split(' ');
    if (type !== 'blob') throw new Error(`git cat-file: ${answer.toString('utf8', at, lineEnd)}`);
    const end = lineEnd + 1 + Number(size);
    texts.set(name, answer.toString('utf8', lineEnd + 1, end));
    at = end + 1;
  }
  return texts;
}

function git(root: string, args: readonly string[], input = ''): Buffer {
  const { status, stdout, stderr, error } = spawnSync('git', args, { cwd: root, input, maxBuffer: 1 << 30 });
  if (status !== 0) throw new Error(`git ${args[0] ?? ''} failed: ${stderr.toString()}`, { cause: error });
  return stdout;
}
