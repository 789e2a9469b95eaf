import { describe, expect, it } from '@jest/globals';
import { holdAt } from './hold.ts';

async function isHeld(answer: unknown): Promise<boolean> {
  return (await Promise.race([answer, Promise.resolve().then(() => 'held')])) === 'held';
}

describe('holdAt', () => {
  it('holds the passing that is named and no other', async () => {
    const told: string[] = [];
    const hook = holdAt('execution/restore/sent:2', place => told.push(place));
    expect(hook('execution/restore/sent')).toBeUndefined();
    expect(hook('execution/restore/answered')).toBeUndefined();
    expect(told).toEqual([]);
    expect(await isHeld(hook('execution/restore/sent'))).toBe(true);
    expect(told).toEqual(['execution/restore/sent:2']);
    expect(hook('execution/restore/sent')).toBeUndefined();
  });

  it('holds the first passing when none is named', async () => {
    const hook = holdAt('set-runner/look/decided', () => undefined);
    expect(await isHeld(hook('set-runner/look/decided'))).toBe(true);
  });

  it('holds at each of several places', async () => {
    const told: string[] = [];
    const hook = holdAt('set-runner/look/decided,copy/copy/acted:2', place => told.push(place));
    expect(hook('copy/copy/acted')).toBeUndefined();
    expect(await isHeld(hook('copy/copy/acted'))).toBe(true);
    expect(await isHeld(hook('set-runner/look/decided'))).toBe(true);
    expect(told).toEqual(['copy/copy/acted:2', 'set-runner/look/decided']);
  });

  it('holds at one place only once a step stands at another', async () => {
    const told: string[] = [];
    const hook = holdAt('copy/copy/started@stream/restore_full/sent,stream/restore_full/sent', place =>
      told.push(place),
    );
    expect(hook('copy/copy/started')).toBeUndefined();
    expect(hook('copy/copy/started')).toBeUndefined();
    expect(await isHeld(hook('stream/restore_full/sent'))).toBe(true);
    expect(await isHeld(hook('copy/copy/started'))).toBe(true);
    expect(hook('copy/copy/started')).toBeUndefined();
    expect(told).toEqual(['stream/restore_full/sent', 'copy/copy/started@stream/restore_full/sent']);
  });

  it('refuses a place that waits for one where nothing is held', () => {
    expect(() => holdAt('copy/copy/started@stream/note/acted,stream/note/decided', () => undefined)).toThrow(
      'HOLDFAST_TEST_HOLD_AT names "copy/copy/started@stream/note/acted", but no place "stream/note/acted" beside it.',
    );
  });

  it('lets them go on when told to', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const held = holdAt('copy/copy/acted', () => undefined, promise)('copy/copy/acted');
    expect(await isHeld(held)).toBe(true);
    resolve(undefined);
    expect(await held).toBeUndefined();
  });

  it.each([
    '',
    'execution',
    'execution/restore',
    'execution/restore/sent:0',
    'a/b/c/d',
    'a/b/c,',
    'a/b/c@',
    'a/b/c:2@d/e/f',
  ])('refuses "%s"', setting => {
    expect(() => holdAt(setting, () => undefined)).toThrow('HOLDFAST_TEST_HOLD_AT names places as runner/step/place');
  });
});
