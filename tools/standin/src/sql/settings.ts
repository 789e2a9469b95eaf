/** SET options of a session. What is fixed here is accepted at its fixed value and refused at any other. */
import { fail, unsupported } from '../messages.ts';
import type { SetStatement } from './ast.ts';
import { convert } from './convert.ts';
import { requireTable } from './object-names.ts';
import { valueOf } from './raise.ts';
import type { Run } from './session-state.ts';
import { INT } from './types.ts';

/** The value each switch has for ever: drivers repeat them at login (sqlserver.md §8.1). ARITHABORT changes nothing while ANSI_WARNINGS is on. */
const fixed: Readonly<Record<string, 'on' | 'off' | 'any'>> = {
  ANSI_NULLS: 'on',
  ANSI_NULL_DFLT_ON: 'on',
  ANSI_PADDING: 'on',
  ANSI_WARNINGS: 'on',
  ARITHABORT: 'any',
  CONCAT_NULL_YIELDS_NULL: 'on',
  ANSI_DEFAULTS: 'on',
  QUOTED_IDENTIFIER: 'on',
  ANSI_NULL_DFLT_OFF: 'off',
  ARITHIGNORE: 'off',
  CURSOR_CLOSE_ON_COMMIT: 'off',
  NUMERIC_ROUNDABORT: 'off',
  FMTONLY: 'off',
  NOEXEC: 'off',
  PARSEONLY: 'off',
};

export async function applySetting(run: Run, statement: SetStatement): Promise<void> {
  const { value } = statement;
  for (const option of statement.options) {
    if (value === 'on' || value === 'off') applySwitch(run, option, value, statement);
    else if ('words' in value) applyWords(run, option, value.words.join(' '));
    else await applyNumber(run, option, value);
  }
}

function applySwitch(run: Run, option: string, value: 'on' | 'off', statement: SetStatement): void {
  const { options } = run.session;
  switch (option) {
    case 'XACT_ABORT':
      options.xactAbort = value === 'on';
      return;
    case 'NOCOUNT':
      options.noCount = value === 'on';
      return;
    case 'IMPLICIT_TRANSACTIONS':
      options.implicitTransactions = value === 'on';
      return;
    case 'IDENTITY_INSERT':
      setIdentityInsert(run, value, statement);
      return;
    default:
      if (fixed[option] !== value && fixed[option] !== 'any') throw unsupported(`SET ${option} ${value.toUpperCase()}`);
  }
}

function setIdentityInsert(run: Run, value: 'on' | 'off', statement: SetStatement): void {
  const name = statement.table?.parts ?? [];
  const resolved = requireTable(run, name);
  if (resolved.kind === 'virtual' || !resolved.table.definition.columns.some(column => column.identity !== undefined))
    throw fail(8106, name.join('.'));
  const { state } = run;
  const before = state.identityInsert;
  if (value === 'off') {
    if (before?.table === resolved.table) state.identityInsert = undefined;
    return;
  }
  if (before !== undefined && before.table !== resolved.table) {
    const { schema, name: other } = before.table.definition;
    throw fail(8107, before.database.name, schema, other, name.join('.'));
  }
  state.identityInsert = resolved;
}

function applyWords(run: Run, option: string, words: string): void {
  if (option === 'TRANSACTION ISOLATION LEVEL') {
    if (words === 'SNAPSHOT') throw unsupported('snapshot isolation');
    run.state.isolation = words;
    return;
  }
  const only = option === 'LANGUAGE' ? 'US_ENGLISH' : 'MDY';
  if (words !== only) throw unsupported(`SET ${option} ${words}`);
}

async function applyNumber(run: Run, option: string, expression: Parameters<typeof valueOf>[1]): Promise<void> {
  const { value, type } = await valueOf(run, expression);
  const number = Number(convert(value, type, INT) ?? 0n);
  switch (option) {
    case 'LOCK_TIMEOUT':
      run.session.options.lockTimeoutMs = number < 0 ? -1 : number;
      return;
    case 'DATEFIRST':
      if (number < 1 || number > 7) throw fail(2742, number);
      run.session.options.dateFirst = number;
      return;
    case 'ROWCOUNT':
    case 'TEXTSIZE':
      // 0 means no limit for ROWCOUNT; the text size only cuts types that nothing here cuts.
      if (option === 'ROWCOUNT' ? number !== 0 : number >= 0 && number < 2147483647)
        throw unsupported(`SET ${option} ${number}`);
      return;
    default:
      throw unsupported(`SET ${option}`);
  }
}
