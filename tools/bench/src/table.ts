import { type Figure, isMeasured, type Unmeasured } from './figure.ts';
import type { Entry } from './report.ts';

const header = ['', 'figure', 'ours', 'beside it', 'ours / it', 'goal', ''] as const;

/** The table for people: a line for each figure and for everything beside it, its notes below. */
export function renderTable(entries: readonly Entry[]): string {
  const rows = entries.flatMap(entry => entry.figures.flatMap(figure => rowsOf(entry.name, figure)));
  const lines = aligned([[...header], ...rows]);
  const notes = entries.flatMap(({ name, notes: said, command }) => [
    `${name}: ${command}`,
    ...said.map(note => `  ${note}`),
  ]);
  return [...lines, '', ...notes].join('\n');
}

function rowsOf(name: string, figure: Figure | Unmeasured): string[][] {
  if (!isMeasured(figure)) return [[name, figure.name, 'NOT MEASURED', firstLine(figure.unmeasured), '', '', '']];
  const { unit, value, beside, goals } = figure;
  const count = Math.max(1, beside.length, goals.length);
  return Array.from({ length: count }, (_, line) => {
    const [peer, goal] = [beside[line], goals[line]];
    const own = line === 0 ? [name, figure.name, `${renderNumber(value)} ${unit}`] : ['', '', ''];
    const other = peer === undefined ? ['', ''] : [`${peer.name} ${renderNumber(peer.value)}`, renderRatio(peer.ratio)];
    return [...own, ...other, ...(goal === undefined ? ['', ''] : [goal.words, goal.met ? 'met' : 'MISSED'])];
  });
}

/** The report has all of it. */
function firstLine(text: string): string {
  return text.split('\n', 1).join('').slice(0, 80);
}

/** Three digits that mean something, thousands whole. */
export function renderNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

function renderRatio(ratio: number): string {
  return `${renderNumber(ratio)} ×`;
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = header.map((_, column) => Math.max(...rows.map(row => (row[column] ?? '').length)));
  return rows.map(row =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
