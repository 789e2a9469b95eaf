import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import type { StatementLogEntry } from './contract.ts';
import { FileStatementLog } from './statement-log.ts';

const entry = (outcome: StatementLogEntry['outcome']): StatementLogEntry => ({
  at: '2026-03-01T12:00:00.000Z',
  spid: 51,
  program: 'test',
  text: "SELECT 1;\nSELECT N'ü'",
  outcome,
  errors: [],
  milliseconds: 0,
});

it('appends a line per entry, counts what started, and goes on in the same file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'standin-log-'));
  const path = join(folder, 'log', 'statements.jsonl');
  const first = new FileStatementLog(path);
  first.write(entry('started'));
  first.write(entry('ok'));
  expect(first.statements).toBe(1);
  first.close();
  const second = new FileStatementLog(path);
  second.write(entry('started'));
  const lines = readFileSync(path, 'utf8').split('\n');
  expect(lines.slice(0, -1).map(line => JSON.parse(line) as unknown)).toEqual([
    entry('started'),
    entry('ok'),
    entry('started'),
  ]);
  second.close();
  second.write(entry('ok'));
  expect(readFileSync(path, 'utf8').split('\n').length).toBe(lines.length);
  rmSync(folder, { recursive: true });
});

it('brings what may wait along with the next line, or when it closes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'standin-log-'));
  const path = join(folder, 'statements.jsonl');
  const outcomes = (): readonly string[] =>
    readFileSync(path, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map(line => (JSON.parse(line) as StatementLogEntry).outcome);
  const log = new FileStatementLog(path);
  log.write(entry('started'));
  log.write(entry('ok'), { mayWait: true });
  expect(outcomes()).toEqual(['started']);
  log.write(entry('failed'));
  expect(outcomes()).toEqual(['started', 'ok', 'failed']);
  log.write(entry('ok'), { mayWait: true });
  log.close();
  expect(outcomes()).toEqual(['started', 'ok', 'failed', 'ok']);
  rmSync(folder, { recursive: true });
});

it('cuts a line off that a kill left unfinished, and no other', () => {
  const folder = mkdtempSync(join(tmpdir(), 'standin-log-'));
  const path = join(folder, 'statements.jsonl');
  const whole = `${JSON.stringify(entry('started'))}\n`;
  writeFileSync(path, `${whole}${whole.slice(0, 40)}`);
  const log = new FileStatementLog(path);
  log.write(entry('ok'));
  log.close();
  expect(readFileSync(path, 'utf8')).toBe(`${whole}${JSON.stringify(entry('ok'))}\n`);
  rmSync(folder, { recursive: true });
});
