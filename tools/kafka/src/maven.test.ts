import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { findJava, installCommand } from './java.ts';
import { copyJars } from './maven.ts';

let folder: string;

/** Programs of our own in the place of the real ones: a script with this very Node as its interpreter. */
async function put(name: string, script: string): Promise<void> {
  const file = join(folder, name);
  await writeFile(file, `#!${process.execPath}\n${script}\n`);
  await chmod(file, 0o755);
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-kafka-programs-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('Maven', () => {
  it('is named with the command that brings it where it is missing', async () => {
    await expect(copyJars(folder, { env: { PATH: folder }, layout: 'flat' })).rejects.toMatchObject({
      code: 'MISSING_PROGRAM',
      message: expect.stringContaining(installCommand),
    });
  });

  (process.platform === 'win32' ? it.skip : it)('is ended when it hangs, and its last words are told', async () => {
    const env = { PATH: folder };
    await put('mvn', 'setInterval(() => undefined, 1000);');
    await expect(copyJars(folder, { env, layout: 'flat', limitMs: 300 })).rejects.toThrow('not fetched Kafka within');
    await put('mvn', 'console.log("[ERROR] no route"); process.exitCode = 1;');
    await expect(copyJars(folder, { env, layout: 'flat' })).rejects.toMatchObject({
      code: 'MAVEN_FAILED',
      message: expect.stringContaining('[ERROR] no route'),
    });
  });
});

(process.platform === 'win32' ? describe.skip : describe)('Java', () => {
  it('is asked for its version: JAVA_HOME comes first, an older one is refused', async () => {
    await put('java', 'console.error(`openjdk version "11.0.2" 2019-01-15`);');
    await expect(findJava({ PATH: folder })).rejects.toMatchObject({ code: 'MISSING_PROGRAM' });
    await put('java', 'console.error(`openjdk version "21.0.2" 2024-01-16`);');
    expect(await findJava({ PATH: folder })).toEqual({ file: 'java', version: expect.stringContaining('21.0.2') });
    await expect(findJava({ PATH: folder, JAVA_HOME: join(folder, 'none') })).rejects.toThrow('JAVA_HOME');
  });
});
