import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';
import { parseKillPoint, placeHook } from './kill-point.ts';

it('is read as a place and the number of its passing', () => {
  expect(parseKillPoint('rename instance.json:2')).toEqual({ place: 'rename instance.json', passing: 2 });
  expect(parseKillPoint('write a.bak')).toEqual({ place: 'write a.bak', passing: 1 });
  expect([parseKillPoint(''), parseKillPoint('write a.bak:0'), parseKillPoint('a:b:1')]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

it('does not exist unless it was asked for', () => {
  expect(placeHook({ dieAt: undefined, placesFile: undefined })).toBeUndefined();
});

it('ends the process at its passing of the place, and has told of it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'standin-kill-'));
  const placesFile = join(folder, 'places');
  const module = fileURLToPath(new URL('./kill-point.ts', import.meta.url));
  const script = `
    const { placeHook } = await import(${JSON.stringify(module)});
    const hook = placeHook({ dieAt: { place: 'write *.bak', passing: 2 }, placesFile: ${JSON.stringify(placesFile)} });
    for (const place of ['write a.bak', 'write a.mdf', 'write b.bak', 'never']) hook(place);`;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script];
  expect(spawnSync(process.execPath, args).signal).toBe('SIGKILL');
  expect(readFileSync(placesFile, 'utf8')).toBe('write a.bak\nwrite a.mdf\nwrite b.bak\n');
  rmSync(folder, { recursive: true });
});
