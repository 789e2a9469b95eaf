import { describe, expect, it } from '@jest/globals';
import { parseSecretRef, resolveSecret, SecretError } from './secrets.ts';

describe('secret references', () => {
  it('are env:NAME or file:path', () => {
    expect(parseSecretRef('env:DB_PASSWORD')).toEqual({ ref: { kind: 'env', name: 'DB_PASSWORD' } });
    expect(parseSecretRef('file:C:\\keys\\db.txt')).toEqual({ ref: { kind: 'file', path: 'C:\\keys\\db.txt' } });
  });

  it.each(['hunter2', '', 'env:', 'env:A B', 'file:', 'file: ', 'vault:x'])('refuses %j without repeating it', text => {
    const outcome = parseSecretRef(text);
    expect(outcome).toMatchObject({ problem: expect.any(String), fix: expect.stringContaining('env:NAME') });
    if (text.length > 5) expect(JSON.stringify(outcome)).not.toContain(text);
  });

  it('resolve to the value, without the last line break of a file', async () => {
    expect(await resolveSecret('env:A', { env: { A: 'v' } })).toBe('v');
    expect(await resolveSecret('file:/k', { env: {}, readFile: async path => `content of ${path} \r\n` })).toBe(
      'content of /k ',
    );
  });

  it('name the reference when they cannot be followed, never a value', async () => {
    const failing = async (ref: string, env: Record<string, string> = {}) =>
      resolveSecret(ref, { env, readFile: () => Promise.reject(new Error('ENOENT')) }).catch((error: unknown) => error);
    expect(await failing('env:A')).toMatchObject({
      name: 'SecretError',
      reference: 'env:A',
      message: expect.stringContaining('not set'),
    });
    expect(await failing('env:A', { A: '' })).toMatchObject({ message: expect.stringContaining('is empty') });
    expect(await failing('file:/k')).toMatchObject({ reference: 'file:/k', cause: expect.any(Error) });
    const malformed = await failing('hunter2');
    expect(malformed).toBeInstanceOf(SecretError);
    expect(String(malformed)).not.toContain('hunter2');
  });
});
