import type { Case, Expectation } from './case.ts';
import { connectRecorder, type Recorder, type Target } from './target.ts';
import { columnTexts, messageText, rowValues, tokenText, type DriverToken } from './token-text.ts';

export type Outcome = { readonly expected: unknown; readonly seen: unknown };

/**
 * Runs one case in databases of its own and returns what was expected beside what was seen, reduced to what the case speaks of: equal means
 * passed.
 */
export async function runCase(target: Target, each: Case, number: number): Promise<Outcome> {
  const names = new Map([
    ['{db}', `conf_${number}_a`],
    ['{db2}', `conf_${number}_b`],
    ['{dir}', target.folder],
    ['{linked}', target.linked ?? ''],
    ['{there}', `conf_${number}_there`],
  ]);
  const fill = (text: string): string => [...names].reduce((filled, [from, to]) => filled.replaceAll(from, to), text);
  const wanted = JSON.stringify(each);
  const databases = ['{db}', '{db2}'].filter(name => wanted.includes(name)).map(fill);
  const there = wanted.includes('{there}') ? fill('{there}') : undefined;
  const main = await connectRecorder(target);
  const others: Recorder[] = [];
  try {
    for (const database of databases) await mustRun(main, `CREATE DATABASE [${database}]`);
    if (there !== undefined) await mustRun(main, `EXEC (N'CREATE DATABASE [${there}]') AT [${target.linked ?? ''}]`);
    for (const statement of each.setup ?? []) await mustRun(main, fill(statement));
    if (each.other) {
      const other = await connectRecorder(target);
      others.push(other);
      for (const statement of each.other) await mustRun(other, fill(statement));
    }
    const tokens = await main.run(fill(each.statement), each.via ?? 'batch', each.parameters);
    const after = [];
    for (const { query } of each.after ?? []) after.push(rowsOf(await main.run(fill(query), 'batch')));
    const expected = {
      ...fillAll(each.expect, fill),
      ...(each.after && { after: each.after.map(state => fillAll(state.rows, fill)) }),
    };
    const seen = { ...observed(tokens, each.expect), ...(each.after && { after }) };
    return { expected, seen: adopt(expected, seen) };
  } finally {
    for (const recorder of others) await recorder.close();
    await dropAll(main, databases);
    if (there !== undefined) await main.run(`EXEC (N'DROP DATABASE [${there}]') AT [${target.linked ?? ''}]`, 'batch');
    await main.close();
  }
}

async function mustRun(recorder: Recorder, statement: string): Promise<void> {
  const errors = (await recorder.run(statement, 'batch')).filter(token => token.name === 'ERROR').map(messageText);
  if (errors.length > 0) throw new Error(`setup failed: ${statement}\n${errors.join('\n')}`);
}

/** A case may leave its databases in any state, its session in any transaction; what cannot be dropped stays behind under its own name. */
async function dropAll(recorder: Recorder, databases: readonly string[]): Promise<void> {
  const drops = databases.map(name => `IF DB_ID(N'${name}') IS NOT NULL DROP DATABASE [${name}];`);
  await recorder.run(`IF @@TRANCOUNT > 0 ROLLBACK; USE master;`, 'batch');
  for (const drop of drops) await recorder.run(drop, 'batch');
}

function observed(tokens: readonly DriverToken[], expect: Expectation): Record<string, unknown> {
  const named = (name: string): readonly DriverToken[] => tokens.filter(token => token.name === name);
  return {
    ...(expect.tokens && { tokens: tokens.flatMap(token => tokenText(token) ?? []) }),
    ...(expect.columns && { columns: named('COLMETADATA').flatMap(columnTexts) }),
    ...(expect.rows && { rows: rowsOf(tokens) }),
    ...(expect.errors && { errors: named('ERROR').map(messageText) }),
    ...(expect.lines && { lines: named('ERROR').map(token => token['lineNumber']) }),
    ...(expect.infos && { infos: named('INFO').map(messageText) }),
  };
}

function rowsOf(tokens: readonly DriverToken[]): (string | null)[][] {
  return tokens.filter(token => token.name === 'ROW' || token.name === 'NBCROW').map(rowValues);
}

function fillAll<T>(value: T, fill: (text: string) => string): T {
  if (typeof value === 'string') return fill(value) as T;
  if (Array.isArray(value)) return value.map(each => fillAll(each as unknown, fill)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, fillAll(each as unknown, fill)])) as T;
}

/** What was seen, with each text that satisfies its pattern replaced by the pattern, so that a plain comparison shows the differences. */
function adopt(expected: unknown, seen: unknown): unknown {
  if (typeof expected === 'string' && (typeof seen === 'string' || seen === null)) {
    return seen !== null && matches(expected, seen) ? expected : seen;
  }
  if (Array.isArray(expected) && Array.isArray(seen)) {
    return seen.map((each: unknown, at) => adopt(expected[at], each));
  }
  if (typeof expected === 'object' && expected !== null && typeof seen === 'object' && seen !== null) {
    const patterns = expected as Readonly<Record<string, unknown>>;
    return Object.fromEntries(Object.entries(seen).map(([key, each]) => [key, adopt(patterns[key], each)]));
  }
  return seen;
}

/** `/…/`: a regular expression. Otherwise the text itself, with `*` for any run; `1/16/1` alone stands for any text; a column without its nullability for both. */
function matches(pattern: string, text: string): boolean {
  if (pattern.length > 2 && pattern.startsWith('/') && pattern.endsWith('/')) {
    return new RegExp(`^(?:${pattern.slice(1, -1)})$`, 's').test(text);
  }
  if (/^\d+\/\d+\/\d+$/.test(pattern)) return text.startsWith(`${pattern} `);
  const literal = pattern.split('*').map(part => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${literal.join('.*')}( not null| null)?$`, 's').test(text);
}
