import { existsSync, readFileSync, readdirSync } from 'node:fs';

export const levels = ['recorded', 'documented', 'independent-client', 'inferred'] as const;
export type Level = (typeof levels)[number];

/**
 * One line of a `.jsonl` file. `{db}` and `{db2}` are databases of the case's own, `{dir}` a folder of the server where it may write, `{linked}` a linked
 * server and `{there}` a database of the case's own on it; they are replaced in every statement and expectation.
 */
export type Case = {
  readonly id: string;
  readonly level: Level;
  /** `sqlserver.md §1.3`, `biztalk-dr.md §2.1`, `standin.md` or an address. */
  readonly source: string;
  /** Statements that must succeed before. `{db}` is created without being named here. */
  readonly setup?: readonly string[];
  /** Statements of a second connection, which stays open until the case ends. */
  readonly other?: readonly string[];
  readonly statement: string;
  /** What is not built, as the README lists it: the statement is error 50000 state 255. */
  readonly refuses?: string;
  /** batch: a SQL batch. query: an sp_executesql call, as the driver's query(). */
  readonly via?: 'batch' | 'query';
  /** So many int parameters of value 1, `@p1` and on, go with the query. */
  readonly parameters?: number;
  readonly expect: Expectation;
  /** Queries after the statement, and the rows that they give. */
  readonly after?: readonly { readonly query: string; readonly rows: readonly (readonly unknown[])[] }[];
  /** Cannot be asked of a real server. */
  readonly standInOnly?: boolean;
};

export type Expectation = {
  /** The whole token stream, as `token-text.ts` writes it. */
  readonly tokens?: readonly string[];
  /** `name type` or `name type null` / `name type not null`. */
  readonly columns?: readonly string[];
  /** Values as text; `*` stands for any value, `/…/` is a regular expression; null is NULL. */
  readonly rows?: readonly (readonly unknown[])[];
  /** `number/severity/state text`, the text with `*` for any run of characters; without a text only the numbers count. */
  readonly errors?: readonly string[];
  readonly infos?: readonly string[];
  /** Line of each error inside its batch. */
  readonly lines?: readonly number[];
};

const folder = new URL('./', import.meta.url);
/** The founding documents lie beside the repository where the project is written; a clone has the section names only. */
const documents = new URL('../../../../shared/', import.meta.url);
const documentFiles: Readonly<Record<string, string>> = {
  'sqlserver.md': 'domain/sqlserver.md',
  'biztalk-dr.md': 'domain/biztalk-dr.md',
  'standin.md': 'tech/standin.md',
};

export function readCases(): readonly Case[] {
  return readdirSync(folder)
    .filter(name => name.endsWith('.jsonl'))
    .sort()
    .flatMap(name =>
      readFileSync(new URL(name, folder), 'utf8')
        .split('\n')
        .flatMap((line, at) => (line.trim() === '' ? [] : [parseCase(line, `${name}:${at + 1}`)])),
    );
}

const keys = [
  'id',
  'level',
  'source',
  'setup',
  'other',
  'statement',
  'refuses',
  'via',
  'parameters',
  'expect',
  'after',
  'standInOnly',
];
const expectKeys = ['tokens', 'columns', 'rows', 'errors', 'infos', 'lines'];

function parseCase(line: string, where: string): Case {
  const parsed = JSON.parse(line) as Case;
  const strange = Object.keys(parsed).filter(key => !keys.includes(key));
  const strangeExpectations = Object.keys(parsed.expect).filter(key => !expectKeys.includes(key));
  if (strange.length + strangeExpectations.length > 0) {
    throw new Error(`${where}: unknown ${[...strange, ...strangeExpectations].join(', ')}`);
  }
  if (!levels.includes(parsed.level)) throw new Error(`${where}: unknown level ${parsed.level}`);
  if (Object.keys(parsed.expect).length === 0) throw new Error(`${where}: expects nothing`);
  return parsed;
}

/** Numbers of failures in the tables of a section: of their first column, or of `column`, from the end. Undefined: the document is not here. */
export function failuresIn(section: string, column = 0): readonly number[] | undefined {
  const path = new URL(documentFiles['sqlserver.md'] ?? '', documents);
  if (!existsSync(path)) return undefined;
  const [, text = ''] = readFileSync(path, 'utf8').split(new RegExp(`^### ${section.replace('.', '\\.')} .*$`, 'm'));
  const rows = (text.split(/^##/m)[0] ?? '').split('\n').filter(line => line.startsWith('| '));
  const cells = rows.map(row => row.split('|').slice(1, -1).at(column) ?? '');
  return cells.flatMap(cell => [...cell.matchAll(/(?<![\w.@])\d{3,5}(?![\w.%])/g)].map(([number]) => Number(number)));
}

export function needsLinked(each: Case): boolean {
  return JSON.stringify(each).includes('{linked}');
}

/** Undefined when the source is an address or an existing section, otherwise what is wrong with it. */
export function brokenSource(source: string): string | undefined {
  if (/^https:\/\/\S+$/.test(source)) return undefined;
  const parts = /^([a-z-]+\.md)(?: §(\d+(?:\.\d+)*))?$/.exec(source);
  const file = documentFiles[parts?.[1] ?? ''];
  if (!parts || file === undefined) return `${source} is neither a section nor an address`;
  const path = new URL(file, documents);
  const section = parts[2];
  if (section === undefined || !existsSync(path)) return undefined;
  const heading = new RegExp(`^#+ ${section.replaceAll('.', '\\.')}[. ]`, 'm');
  return heading.test(readFileSync(path, 'utf8')) ? undefined : `${source}: no such section`;
}
