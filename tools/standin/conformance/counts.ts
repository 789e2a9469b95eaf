/** How many cases there are per level and section, as the README and the end of a run show it. */
import { type Case, levels } from './case.ts';

/** What the stand-in refuses and where it is described, in the order of the sections. */
export function refusedTable(cases: readonly Case[]): string {
  const order = new Intl.Collator('en', { numeric: true });
  const refused = cases
    .flatMap(({ refuses, source }) => (refuses === undefined ? [] : [[`\`${refuses}\``, source] as const]))
    .toSorted((a, b) => order.compare(a[1], b[1]) || order.compare(a[0], b[0]));
  const rows = [['Refused', 'Described in'] as const, ...refused];
  const [left, right] = [0, 1].map(column => Math.max(...rows.map(cells => cells[column]?.length ?? 0)));
  const line = (cells: readonly [string, string]): string =>
    `| ${cells[0].padEnd(left ?? 0)} | ${cells[1].padEnd(right ?? 0)} |`;
  const ruler = line(['-'.repeat(left ?? 0), '-'.repeat(right ?? 0)]);
  return [line(rows[0] ?? ['', '']), ruler, ...refused.map(line)].join('\n');
}

/** A Markdown table as Prettier writes it: a row for every section that a source names, one for addresses, and the totals. */
export function countsTable(cases: readonly Case[]): string {
  const sections = [...new Set(cases.map(sectionOf))].toSorted(new Intl.Collator('en', { numeric: true }).compare);
  const row = (title: string, counted: readonly Case[]): readonly string[] => [
    title,
    ...levels.map(level => String(counted.filter(each => each.level === level).length)),
    String(counted.length),
  ];
  const rows = [
    ['Section', ...levels, 'all'],
    ...sections.map(section =>
      row(
        section,
        cases.filter(each => sectionOf(each) === section),
      ),
    ),
    row('all', cases),
  ];
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(cells => cells[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const padded = rows.map(cells =>
    line(cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))),
  );
  const ruler = line(widths.map((width, at) => (at === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)));
  return [padded[0], ruler, ...padded.slice(1)].join('\n');
}

function sectionOf({ source }: Case): string {
  return source.startsWith('https://') ? 'an address' : source;
}
