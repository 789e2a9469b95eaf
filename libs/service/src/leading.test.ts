import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { createEmbeddedBus } from '@holdfast/messaging';
import { tryAcquireLease, type Lease } from '@holdfast/store';
import { publishesWhileLeading, stepsWhileLeading } from './leading.ts';

let folder: string;
let lease: Lease;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-leading-'));
  lease = tryAcquireLease({ file: join(folder, 'test.lease') })!;
});
afterEach(() => {
  lease.release();
  rmSync(folder, { recursive: true, force: true });
});

/** As another process would, without this one being told. */
function replace(): void {
  writeFileSync(join(folder, 'test.lease-9.json'), '');
}

it('a step goes on through a hook that leaves the leader in place, and no further after one in which it was replaced', async () => {
  await expect(Promise.resolve(stepsWhileLeading(lease, () => 'repeat')('a/b/acted'))).resolves.toBe('repeat');
  await expect(Promise.resolve(stepsWhileLeading(lease, replace)('a/b/decided'))).rejects.toThrow('replaced');
  expect(lease.lost.aborted).toBe(true);
});

it('a bus carries what a leader publishes, and nothing of one that was replaced', async () => {
  const inner = createEmbeddedBus();
  const sent: string[] = [];
  const bus = publishesWhileLeading(lease, {
    ...inner,
    publish: async topic => {
      sent.push(topic);
      return [];
    },
  });
  expect(bus.name).toBe(inner.name);
  await bus.publish('first', []);
  replace();
  await expect(bus.publish('second', [])).rejects.toThrow('replaced');
  expect(sent).toEqual(['first']);
  await bus.close();
});
