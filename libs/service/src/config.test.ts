import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { ConfigError, readConfig } from './config.ts';

const schema = z.object({
  http: z.object({ host: z.string().default('127.0.0.1'), port: z.coerce.number().int().min(0).max(65_535) }),
  signingKey: z.string().optional(),
  observeEveryMs: z.number().default(1_000),
  verbose: z.boolean().default(false),
  subgraphs: z.record(z.string(), z.string()).default({}),
  keyFile: z.string().optional(),
  tags: z.array(z.string()).default([]),
});

const read = (yaml: string | undefined, env: Record<string, string> = {}, files: Record<string, string> = {}) =>
  readConfig({
    section: 'inventory',
    schema,
    env,
    ...(yaml === undefined ? {} : { yamlFile: 'holdfast.yaml' }),
    readFile: path => {
      const text = path === 'holdfast.yaml' ? yaml : files[path];
      if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      return text;
    },
  });

function problemsOf(run: () => unknown): ConfigError {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('readConfig', () => {
  it('reads its section of the file and leaves the others alone', () => {
    expect(read('backup: { x: 1 }\ninventory:\n  http: { port: 80 }\n  tags: [a, b]')).toMatchObject({
      http: { host: '127.0.0.1', port: 80 },
      tags: ['a', 'b'],
    });
  });

  it('lets the environment win, key by key, whatever the letter case and underscores', () => {
    const yaml = 'inventory:\n  http: { host: h, port: 80 }\n  subgraphs: { myGraph: a, other: b }';
    const config = read(yaml, {
      HOLDFAST_INVENTORY__HTTP__PORT: '81',
      HOLDFAST_INVENTORY__OBSERVE_EVERY_MS: '5',
      holdfast_inventory__verbose: 'false',
      HOLDFAST_INVENTORY__SUBGRAPHS__MYGRAPH: 'c',
      HOLDFAST_INVENTORY__SUBGRAPHS__THIRD: 'd',
      HOLDFAST_INVENTORY__TAGS: '[x, y]',
      HOLDFAST_INVENTORY__SIGNING_KEY: '0123',
      HOLDFAST_BACKUP__HTTP__PORT: '9',
      HOLDFAST_PARENT_PID: '7',
    });
    expect(config).toEqual({
      http: { host: 'h', port: 81 },
      observeEveryMs: 5,
      verbose: false,
      subgraphs: { myGraph: 'c', other: 'b', third: 'd' },
      tags: ['x', 'y'],
      signingKey: '0123',
    });
  });

  it('lays a variable for one key over one for the whole object', () => {
    const config = read(undefined, {
      HOLDFAST_INVENTORY__HTTP__PORT: '5',
      HOLDFAST_INVENTORY__HTTP: '{ host: h, port: 1 }',
    });
    expect(config.http).toEqual({ host: 'h', port: 5 });
  });

  it('reads …_FILE from the file, unless the schema has that very key', () => {
    const env = {
      HOLDFAST_INVENTORY__HTTP__PORT_FILE: '/port',
      HOLDFAST_INVENTORY__KEY_FILE: '/key',
      HOLDFAST_INVENTORY__SUBGRAPHS__A_FILE: '/a',
    };
    expect(read(undefined, env, { '/port': '82\n', '/a': 'url' })).toMatchObject({
      http: { port: 82 },
      keyFile: '/key',
      subgraphs: { a: 'url' },
    });
  });

  it('reports all mistakes together, each with its place and a fix', () => {
    const yaml = 'inventory:\n  http:\n    port: none\n    prot: 1\n  verbos: true';
    const error = problemsOf(() =>
      read(yaml, {
        HOLDFAST_INVENTORY__OBSERVE_EVERY_MS: 'soon',
        HOLDFAST_INVENTORY__HTTPS__PORT: '1',
        HOLDFAST_INVENTORY__SIGNING_KEY_FILE: '/missing',
      }),
    );
    const found = error.problems.map(({ path, source }) => `${path} @ ${source}`).sort();
    expect(found).toEqual([
      'http.port @ holdfast.yaml:3',
      'http.prot @ holdfast.yaml:4',
      'https.port @ HOLDFAST_INVENTORY__HTTPS__PORT',
      'observeEveryMs @ HOLDFAST_INVENTORY__OBSERVE_EVERY_MS',
      'signingKey @ HOLDFAST_INVENTORY__SIGNING_KEY_FILE',
      'verbos @ holdfast.yaml:5',
    ]);
    for (const { fix } of error.problems) expect(fix).not.toBe('');
    expect(error.message).toContain('HOLDFAST_INVENTORY__OBSERVE_EVERY_MS');
  });

  it('says what is missing and how to set it', () => {
    const error = problemsOf(() => read(undefined));
    expect(error.problems).toEqual([
      expect.objectContaining({
        path: 'http',
        source: 'nowhere',
        fix: expect.stringContaining('HOLDFAST_INVENTORY__HTTP'),
      }),
    ]);
  });

  it('refuses one key set by two variables', () => {
    const env = { HOLDFAST_INVENTORY__HTTP__PORT: '1', HOLDFAST_INVENTORY__HTTP__PORT_FILE: '/p' };
    expect(problemsOf(() => read(undefined, env, { '/p': '2' })).problems[0]?.problem).toContain('Set twice');
  });

  it('never repeats a value', () => {
    const texts = [
      () => read('inventory:\n  http: { port: hunter2 }\n  signingKey: { a: hunter2 }'),
      () => read('inventory:\n  http: [hunter2\n  hunter2: : x'),
      () => read('inventory: hunter2'),
      () => read('hunter2'),
      () => read(undefined, { HOLDFAST_INVENTORY__HTTP__PORT: 'hunter2', HOLDFAST_INVENTORY__TAGS: '[hunter2' }),
    ].map(run => problemsOf(run).message);
    for (const text of texts) expect(text).not.toContain('hunter2');
  });

  it('says when the file cannot be read', () => {
    expect(
      problemsOf(() => readConfig({ section: 'inventory', schema, env: {}, yamlFile: 'no-such-file.yaml' }))
        .problems[0],
    ).toMatchObject({
      source: 'no-such-file.yaml',
      problem: expect.stringContaining('Could not be read'),
    });
  });
});
