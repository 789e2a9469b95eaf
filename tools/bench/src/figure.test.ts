import { expect, it } from '@jest/globals';
import { atLeast, atMost, figureOf, isMeasured } from './figure.ts';

it('sets medians beside each other and judges them', () => {
  const figure = figureOf(
    { name: 'ours', unit: 'MiB/s', rounds: [90, 300, 100] },
    [
      { name: 'cp', rounds: [200, 210, 50] },
      { name: 'sha', rounds: [100, 80, 120] },
    ],
    (value, beside) => [atLeast(value, 0.9 * Math.min(...beside.map(each => each.value)), '0.9 × the slower')],
  );
  expect(figure).toMatchObject({
    value: 100,
    beside: [
      { value: 200, ratio: 0.5 },
      { value: 100, ratio: 1 },
    ],
  });
  expect(figure.goals).toEqual([{ words: '≥ 0.9 × the slower', met: true }]);
});

it('tells met from missed at the limit and beyond', () => {
  expect([atLeast(5, 5, '5').met, atLeast(4.9, 5, '5').met, atMost(5, 5, '5').met, atMost(5.1, 5, '5').met]).toEqual([
    true,
    false,
    true,
    false,
  ]);
});

it('knows what was not measured', () => {
  expect(isMeasured({ name: 'Kafka', unmeasured: 'no Java' })).toBe(false);
  expect(isMeasured(figureOf({ name: 'a', unit: 's', rounds: [1] }))).toBe(true);
  expect(() => figureOf({ name: 'a', unit: 's', rounds: [] })).toThrow('Nothing was measured.');
});
