import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readStartConfig } from './config.ts';
import { curlLine } from './curl.ts';
import { openLogFiles } from './log-files.ts';
import { readRunFile, removeRunFile, writeRunFile } from './run-file.ts';
import { greetingOf } from './start.ts';
import { readFileSync } from 'node:fs';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-run-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('readStartConfig', () => {
  it('has defaults', () => {
    expect(readStartConfig([])).toMatchObject({ estate: 'demo', port: undefined });
    expect(readStartConfig([]).dataFolder).toMatch(/\.holdfast$/);
  });

  it('reads what is given and refuses what it does not know', () => {
    expect(readStartConfig(['--estate', 'none', '--port', '0', '--data', folder])).toEqual({
      estate: 'none',
      port: 0,
      dataFolder: folder,
      shape: 'one-process',
      brokers: undefined,
    });
    expect(readStartConfig(['--cluster'], { KAFKA_BROKERS: 'a.example:9092, [::1]:9093' })).toMatchObject({
      shape: 'cluster',
      brokers: 'a.example:9092,[::1]:9093',
    });
    expect(() => readStartConfig(['--cluster'], { KAFKA_BROKERS: 'a:9092,b' })).toThrow('"b" is none');
    // Of no interest to who does not use it.
    expect(readStartConfig([], { KAFKA_BROKERS: 'nonsense' })).toMatchObject({ brokers: undefined });
    expect(() => readStartConfig(['--port', '65536'])).toThrow('--port is a number from 0 to 65535, not "65536".');
    expect(() => readStartConfig(['--estate', 'real'])).toThrow('--estate is demo or none');
    expect(() => readStartConfig(['--prot', '1'])).toThrow('--prot');
  });
});

describe('curlLine', () => {
  it('is one line for a shell, and one for the command prompt of Windows', () => {
    const query = `{ groups {\n  nodes { name } } }`;
    expect(curlLine('http://h/graphql', 't', query, 'linux')).toBe(
      `curl -s http://h/graphql -H 'authorization: Bearer t' -H 'content-type: application/json' -d '{"query":"{ groups { nodes { name } } }"}'`,
    );
    expect(curlLine('http://h/graphql', 't', query, 'win32')).toBe(
      `curl.exe -s http://h/graphql -H "authorization: Bearer t" -H "content-type: application/json" -d "{\\"query\\":\\"{ groups { nodes { name } } }\\"}"`,
    );
  });
});

describe('greetingOf', () => {
  const config = readStartConfig(['--data', 'here']);

  it('gives the address, the token, three commands and how to stop', () => {
    const ready = { url: 'http://h/graphql', token: 'secret', sample: { groupId: 'g', standbyId: 's' } };
    const lines = greetingOf(config, ready, 'linux').split('\n');
    expect(lines).toContain('  gateway  http://h/graphql');
    expect(lines).toContain('  token    secret');
    expect(lines.filter(line => line.startsWith('curl '))).toHaveLength(3);
    expect(lines.filter(line => line.includes('recoveryPreview'))).toHaveLength(1);
    expect(lines.at(-1)).toBe('Ctrl-C stops everything.');
  });

  it('has no token to give when somebody else issues them', () => {
    const ready = { url: 'http://h/graphql', token: undefined, brokers: 'k:9092', sample: undefined };
    const text = greetingOf({ ...config, estate: 'none' }, ready, 'linux');
    expect(text).not.toContain('curl');
    expect(text).toContain('registerGroup');
    expect(text).toContain('  kafka    k:9092 ');
  });
});

describe('run files', () => {
  it('name a process for as long as it lives', async () => {
    expect(await readRunFile(folder, 'estate')).toBeUndefined();
    await writeRunFile(folder, 'estate', { pid: process.pid, port: 7 });
    expect(await readRunFile(folder, 'estate')).toEqual({ pid: process.pid, port: 7 });
    // No system gives out this id.
    await writeRunFile(folder, 'estate', { pid: 2 ** 30, port: 7 });
    expect(await readRunFile(folder, 'estate')).toBeUndefined();
    await removeRunFile(folder, 'estate');
    await removeRunFile(folder, 'estate');
  });
});

describe('openLogFiles', () => {
  it('keeps a file for each process', async () => {
    const logs = openLogFiles(folder);
    logs.write('[all-in-one] one');
    logs.write('[estate] [primary] two');
    logs.write('three');
    await logs.close();
    const textOf = (name: string): string => readFileSync(join(folder, 'logs', `${name}.log`), 'utf8');
    expect(textOf('all-in-one')).toBe('one\n');
    expect(textOf('estate')).toBe('[primary] two\n');
    expect(textOf('start')).toBe('three\n');
  });
});
