import type { StreamId } from '@holdfast/domain';
import { expect, it } from '@jest/globals';
import { CopyMeter } from './copy-meter.ts';

const id = 'one' as StreamId;

it('tells the rate of this attempt and how long the rest takes', () => {
  let now = 1_000;
  const meter = new CopyMeter(() => now);
  expect(meter.of(id)).toBeNull();
  meter.begin(id, { file: 'D:\\Backup\\x.bak', total: 1_000, done: 200 });
  expect(meter.of(id)).toMatchObject({ done: '200', total: '1000', bytesPerSecond: null, etaSeconds: null });
  now = 3_000;
  meter.advance(id, 600);
  expect(meter.of(id)).toMatchObject({ file: 'D:\\Backup\\x.bak', done: '600', bytesPerSecond: 200, etaSeconds: 2 });
  meter.end(id);
  expect(meter.of(id)).toBeNull();
});
