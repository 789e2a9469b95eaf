import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { messageSources } from '../src/messages.ts';
import { brokenSource, failuresIn, needsLinked, readCases } from './case.ts';
import { countsTable, refusedTable } from './counts.ts';
import { runCase } from './run-case.ts';
import { startTarget, type Target } from './target.ts';

const cases = readCases();
const counts = countsTable(cases);
const onStandIn = process.env['SQLSERVER_URL'] === undefined;
const withLinked = onStandIn || process.env['SQLSERVER_LINKED'] !== undefined;
let target: Target;

beforeAll(async () => {
  target = await startTarget();
});

afterAll(async () => {
  await target.close();
  process.stdout.write(`conformance:\n${counts}\n`);
});

describe('the table', () => {
  it('names every case once', () => {
    const ids = cases.map(each => each.id);
    expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([]);
  });

  it('is counted in the README', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    // The failing comparison shows the table to paste.
    expect(/^\| Section .*\n(?:\|.*\n)+/m.exec(readme)?.[0].trim()).toBe(counts);
  });

  it('is what the README says is refused', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    expect(/^\| Refused .*\n(?:\|.*\n)+/m.exec(readme)?.[0].trim()).toBe(refusedTable(cases));
    for (const each of cases.filter(({ refuses }) => refuses !== undefined)) {
      expect(each.standInOnly).toBe(true);
      expect(each.expect.errors?.[0]).toBe('50000/16/255 STANDIN-UNSUPPORTED: *');
    }
  });

  it('states a source that exists for every case', () => {
    expect(cases.flatMap(each => brokenSource(each.source) ?? [])).toEqual([]);
  });
});

describe('the failures of sqlserver.md', () => {
  const failures = [failuresIn('1.4'), failuresIn('2.4'), failuresIn('9.2', -1)];
  // A clone alone has no documents.
  (failures.includes(undefined) ? it.skip : it)('are all built, or named in the README as what does not come', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const absent = /^Numbers of its lists of failures [^]*?(?=^## )/m.exec(readme)?.[0] ?? '';
    const known = new Set(messageSources().map(({ number }) => number));
    const told = failures.flatMap(each => each ?? []);
    expect(told.length).toBeGreaterThan(100);
    expect(told.filter(number => !known.has(number) && !absent.includes(String(number)))).toEqual([]);
  });
});

describe('a case', () => {
  for (const [number, each] of cases.entries()) {
    if (each.standInOnly === true && !onStandIn) continue;
    if (needsLinked(each) && !withLinked) continue;
    it(each.id, async () => {
      const { expected, seen } = await runCase(target, each, number);
      expect(seen).toEqual(expected);
    });
  }
});
