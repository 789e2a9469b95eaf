import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const files = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .stdout.split('\0')
  .filter(file => file !== '');

type Lock = {
  packages: Record<string, { optionalDependencies?: Record<string, string>; resolved?: string; link?: boolean }>;
};
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock;

describe('package-lock.json', () => {
  it('holds every optional platform package, so that npm ci works on every machine', () => {
    const missing = Object.entries(lock.packages).flatMap(([at, { optionalDependencies }]) =>
      Object.keys(optionalDependencies ?? {})
        .filter(name => !resolves(at, name))
        .map(name => `${at} -> ${name}`),
    );
    expect(missing).toEqual([]);
  });

  it('names no download address (npm install --omit-lockfile-registry-resolved)', () => {
    const named = Object.entries(lock.packages).filter(
      ([, entry]) => entry.link !== true && entry.resolved !== undefined,
    );
    expect(named.map(([at]) => at)).toEqual([]);
  });

  /** Node's own look-up: beside the package first, then up. */
  function resolves(at: string, name: string): boolean {
    for (let folder = at; ;) {
      if (lock.packages[`${folder === '' ? '' : `${folder}/`}node_modules/${name}`] !== undefined) return true;
      if (folder === '') return false;
      const up = folder.lastIndexOf('/node_modules/');
      folder = up < 0 ? '' : folder.slice(0, up);
    }
  }
});

describe('the files of the repository', () => {
  // Written apart, so that this test does not find itself.
  const hosts = [
    'registry.' + 'npmjs.org',
    'repo1.' + 'maven.org',
    'repo.' + 'maven.apache.org',
    'deb.' + 'debian.org',
    'pypi.' + 'org',
  ];
  const places = [root.replace(/[\\/]$/, ''), homedir()].filter(place => place.length > 3);

  it('name no path of this machine and no package registry', () => {
    const found = files.flatMap(file => {
      const text = readFileSync(join(root, file), 'utf8');
      return [...hosts, ...places]
        .filter(needle => text.includes(`${needle}/`) || (hosts.includes(needle) && text.includes(needle)))
        .map(needle => `${file}: ${needle}`);
    });
    expect(found).toEqual([]);
  });

  it('scripts in package.json need no POSIX shell', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const shell = Object.entries(scripts).filter(([, command]) => /[;&|$`'<>*]|^\w+=|\.sh\b/.test(command));
    expect(shell).toEqual([]);
  });
});
