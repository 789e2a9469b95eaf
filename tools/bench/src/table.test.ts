import { expect, it } from '@jest/globals';
import { atLeast, atMost, figureOf } from './figure.ts';
import { type Entry, missedOf, unmeasuredOf, withEntries } from './report.ts';
import { renderNumber, renderTable } from './table.ts';

const machine = {
  cores: 2,
  processor: 'x',
  memoryMebibytes: 1,
  freeMebibytes: 1,
  platform: 'linux x64',
  node: 'v24',
  loadAtStart: 0,
};
const entry: Entry = {
  ...{ name: 'copy', what: 'a copy', command: 'npm run bench -- copy', measuredAt: '2026-11-21T10:00:00.000Z' },
  ...{ seconds: 3, rounds: 1, quick: false, machine, notes: ['as it was'] },
  figures: [
    figureOf(
      { name: '1 GiB', unit: 'MiB/s', rounds: [1_234.5] },
      [
        { name: 'cp', rounds: [1_000] },
        { name: 'sha256sum', rounds: [2_469] },
      ],
      value => [atLeast(value, 900, '900')],
    ),
    figureOf({ name: 'RSS', unit: 'MiB', rounds: [500] }, [], value => [atMost(value, 450, '450')]),
    { name: 'Kafka', unmeasured: 'no Java' },
  ],
};

it('shows figures, what is beside them, goals, and what was not measured', () => {
  expect(renderTable([entry]).split('\n')).toEqual([
    '      figure  ours          beside it        ours / it  goal',
    'copy  1 GiB   1,235 MiB/s   cp 1,000         1.23 ×     ≥ 900  met',
    '                            sha256sum 2,469  0.5 ×',
    'copy  RSS     500 MiB                                   ≤ 450  MISSED',
    'copy  Kafka   NOT MEASURED  no Java',
    '',
    'copy: npm run bench -- copy',
    '  as it was',
  ]);
});

it('shows numbers as far as they mean something', () => {
  expect([0.012345, 1, 1.239, 99.94, 123.4, 12_345.6].map(renderNumber)).toEqual([
    '0.0123',
    '1',
    '1.24',
    '99.9',
    '123',
    '12,346',
  ]);
});

it('finds what was missed and what was not measured', () => {
  expect(missedOf([entry]).map(({ name }) => name)).toEqual(['RSS']);
  expect(unmeasuredOf([entry]).map(({ name }) => name)).toEqual(['Kafka']);
});

it('keeps earlier entries beside new ones', () => {
  const before = withEntries({ format: 1, benches: {} }, [entry, { ...entry, name: 'start' }]);
  const after = withEntries(before, [{ ...entry, seconds: 9 }]);
  expect(Object.values(after.benches).map(({ name, seconds }) => [name, seconds])).toEqual([
    ['copy', 9],
    ['start', 3],
  ]);
});
