import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ensureJars, type JarLock, lockFile, readLock, renderLock, sha256 } from './jars.ts';

const contents: Readonly<Record<string, string>> = { 'a-1.jar': 'first', 'b-2.jar': 'second' };
const lock: JarLock = {
  jars: [
    { path: 'org/a/1/a-1.jar', sha256: sha256('first') },
    { path: 'org/b/2/b-2.jar', sha256: sha256('second') },
  ],
  key: 'some-lock',
};
let folder: string;
let copies: number;

const ensure = (jars: Readonly<Record<string, string>> = contents): Promise<string> =>
  ensureJars({
    folder,
    lock,
    log: () => undefined,
    async copy(part) {
      copies += 1;
      for (const [name, text] of Object.entries(jars)) await writeFile(join(part, name), text);
    },
  });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-kafka-jars-'));
  copies = 0;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the jars', () => {
  it('are copied once, by one of many that need them at the same time', async () => {
    const lib = join(folder, 'some-lock', 'lib');
    expect(await Promise.all([ensure(), ensure(), ensure()])).toEqual([lib, lib, lib]);
    expect(await ensure()).toBe(lib);
    expect(copies).toBe(1);
    expect((await readdir(lib)).toSorted()).toEqual(['a-1.jar', 'b-2.jar']);
  });

  it('are refused by name when Maven copies a damaged one, and nothing is left that looks whole', async () => {
    await expect(ensure({ ...contents, 'b-2.jar': 'secone' })).rejects.toMatchObject({
      code: 'WRONG_JAR',
      message: expect.stringMatching(/b-2\.jar is not org\/b\/2\/b-2\.jar of lock\.json.*local Maven repository/),
    });
    const home = join(folder, 'some-lock');
    const left = await readdir(home);
    expect(left).not.toContain('lib');
    expect(left).toContainEqual(expect.stringMatching(/^lib\.part-/));
    await ensure();
    expect(copies).toBe(2);
    expect(await readdir(home)).not.toContainEqual(expect.stringMatching(/^lib\.part-/));
  });

  it('are refused by name when one byte is changed, one is missing or one is too many in the cache', async () => {
    const lib = await ensure();
    const damaged = join(lib, 'a-1.jar');
    const bytes = await readFile(damaged);
    bytes.writeUInt8(bytes.readUInt8(2) ^ 1, 2);
    await writeFile(damaged, bytes);
    await expect(ensure()).rejects.toMatchObject({ code: 'WRONG_JAR', message: expect.stringContaining(damaged) });
    await rm(damaged);
    await expect(ensure()).rejects.toThrow('a-1.jar is missing');
    await writeFile(damaged, 'first');
    await mkdir(join(lib, 'c-3.jar'));
    await expect(ensure()).rejects.toThrow('c-3.jar is not in lock.json');
  });
});

describe('the lock file', () => {
  it('pins every jar by path and hash, as the command lock writes it', async () => {
    const { jars } = await readLock();
    for (const jar of jars)
      expect(jar).toEqual({
        path: expect.stringMatching(/^[\w.-]+(\/[\w.-]+)+\.jar$/),
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      });
    expect(jars.map(({ path }) => path)).toContain('org/apache/kafka/kafka_2.13/4.3.1/kafka_2.13-4.3.1.jar');
    expect(await readFile(lockFile, 'utf8')).toBe(renderLock(jars));
  });
});
