import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { damageFile, damageOf } from './damage.ts';

function frame(type: string, payload: string): Buffer {
  const lead = Buffer.alloc(9);
  lead.write(type, 0);
  lead.writeUInt32LE(payload.length, 1);
  return Buffer.concat([lead, Buffer.from(payload)]);
}
const before = [Buffer.from('HFSTBAK1'), frame('M', '{"media":1}'), frame('S', '{"set":1}'), frame('L', 'ab')];
const log = frame('L', 'log log log');
const bytes = Buffer.concat([...before, log, frame('E', '{"end":1}')]);
const logAt = Buffer.concat(before).length;

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-damage-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function made(content: Buffer): Promise<string> {
  const path = join(folder, 'a.bak');
  await writeFile(path, content);
  return path;
}

it('flips one byte in the log and leaves every header as it was', async () => {
  const path = await made(bytes);
  await damageFile(path, 'rotten');
  const rotten = await readFile(path);
  const different = [...rotten.keys()].filter(at => rotten[at] !== bytes[at]);
  expect(rotten).toHaveLength(bytes.length);
  expect(different).toHaveLength(1);
  expect(different[0]).toBeGreaterThanOrEqual(logAt + 9);
  expect(different[0]).toBeLessThan(logAt + log.length);
});

it('cuts a file off, or takes it away', async () => {
  const path = await made(bytes);
  await damageFile(path, 'truncated');
  expect(await readFile(path)).toEqual(bytes.subarray(0, Math.floor(bytes.length / 2)));
  await damageFile(path, 'missing');
  await expect(readFile(path)).rejects.toMatchObject({ code: 'ENOENT' });
});

it('does not take a file without log for a damaged one', async () => {
  await expect(damageFile(await made(before[0]!), 'rotten')).rejects.toThrow('holds no log');
});

it('gives each kind by seed', () => {
  expect([0, 1, 2, 3].map(damageOf)).toEqual(['truncated', 'missing', 'rotten', 'truncated']);
});
