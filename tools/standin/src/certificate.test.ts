import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ownKeyPair, readKeyPair } from './certificate.ts';

let folder = '';
const at = (...names: string[]): string => join(folder, ...names);
const now = new Date('2026-03-01T12:00:00Z');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'standin-certificate-'));
  await ownKeyPair(at('one'), 'PRIMARY\\BTS', now);
  await ownKeyPair(at('two'), 'STANDBY', now);
  writeFileSync(at('text.pem'), 'no certificate at all');
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('the instance’s own certificate', () => {
  it('is for the names of loopback, and lasts', async () => {
    const { certificate } = await ownKeyPair(at('one'), 'PRIMARY\\BTS', now);
    const parsed = new X509Certificate(certificate);
    expect(parsed.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(parsed.checkHost('localhost')).toBe('localhost');
    expect([parsed.subject, parsed.ca]).toEqual(['CN=PRIMARY/BTS', false]);
    expect(new Date(parsed.validTo).getUTCFullYear()).toBe(2036);
    expect(readdirSync(at('one')).sort()).toEqual(['certificate.pem', 'key.pem']);
  });

  it('is made anew when its making was cut short', async () => {
    const made = await ownKeyPair(at('cut'), 'A', now);
    rmSync(at('cut', 'certificate.pem'));
    const again = await ownKeyPair(at('cut'), 'A', now);
    expect(again.key).not.toBe(made.key);
    expect(await ownKeyPair(at('cut'), 'A', now)).toEqual(again);
  });

  it('is named when it cannot be used', async () => {
    await ownKeyPair(at('mixed'), 'A', now);
    writeFileSync(at('mixed', 'key.pem'), readFileSync(at('one', 'key.pem')));
    await expect(ownKeyPair(at('mixed'), 'A', now)).rejects.toThrow(
      /key\.pem is not the key of .*certificate\.pem.*Remove both files/,
    );
  });
});

describe('a given certificate', () => {
  const read = (certificate?: string, key?: string): unknown => {
    const mistakes: string[] = [];
    return readKeyPair(certificate, key, mistakes) ?? mistakes;
  };

  it('is read with its key', () => {
    const [certificate, key] = [at('one', 'certificate.pem'), at('one', 'key.pem')];
    expect(read(certificate, key)).toEqual({
      certificate: readFileSync(certificate, 'utf8'),
      key: readFileSync(key, 'utf8'),
    });
    expect(read()).toEqual([]);
  });

  it.each([
    ['one alone', ['one/certificate.pem'], [/given together/]],
    ['missing files', ['none.pem', 'no-key.pem'], [/tls-cert: ENOENT.*none\.pem/, /tls-key: ENOENT.*no-key\.pem/]],
    ['a folder', ['one', 'one/key.pem'], [/tls-cert: EISDIR/]],
    [
      'other texts',
      ['text.pem', 'text.pem'],
      [/tls-cert .*text\.pem holds no certificate/, /tls-key .*text\.pem holds no private key/],
    ],
    ['a key in place of a certificate', ['one/key.pem', 'one/key.pem'], [/holds no certificate/]],
    ['a key of another', ['one/certificate.pem', 'two/key.pem'], [/tls-key .* is not the key of tls-cert .*one/]],
  ])('is refused by name: %s', (_name, files, texts) => {
    const mistakes = read(...files.map(name => at(name)));
    expect(mistakes).toEqual(texts.map(text => expect.stringMatching(text)));
  });
});
