/** EXEC of a procedure or a text at a linked server. */
import { unsupported } from '../messages.ts';
import type { RemoteAnswer, RpcParameter } from '../contract.ts';
import { SELECT_COMMAND } from './commands.ts';
import type { Argument } from './procedures.ts';
import { ask, databaseOf } from './remote-ask.ts';
import { remoteName } from './remote-text.ts';
import { sendRows } from './results.ts';
import type { Run } from './session-state.ts';
import { INT } from './types.ts';

const STATUS = '@status';

/** @returns the return status; output arguments have their values */
export async function callThere(
  run: Run,
  server: string,
  parts: readonly string[],
  args: readonly Argument[],
): Promise<number> {
  const status: RpcParameter = { name: STATUS, output: true, value: { type: INT, value: null } };
  const parameters: RpcParameter[] = [status];
  const list = args.map((argument, i) => {
    const name = argument.name === undefined ? '' : `@${argument.name.replace(/^@/, '')} = `;
    if (argument.value === 'default') return `${name}DEFAULT`;
    const own = `@p${i + 1}`;
    parameters.push({ name: own, output: argument.output !== undefined, value: argument.value });
    return `${name}${own}${argument.output === undefined ? '' : ' OUTPUT'}`;
  });
  const answer = await ask(run, server, {
    kind: 'procedure',
    database: databaseOf(parts),
    text: `EXEC ${STATUS} = ${remoteName(parts)} ${list.join(', ')}`.trimEnd(),
    parameters,
  });
  await tell(run, answer);
  args.forEach((argument, i) => {
    const value = answer.outputs.get(`@p${i + 1}`);
    if (argument.output !== undefined && value !== undefined) argument.output(value);
  });
  const value = answer.outputs.get(STATUS)?.value;
  return typeof value === 'bigint' ? Number(value) : 0;
}

/** `EXEC (N'…') AT server`: in the database that the login there begins with: master, where no other is its default (learn.microsoft.com: CREATE LOGIN). */
export async function executeThere(run: Run, server: string, text: string): Promise<void> {
  if (server.toLowerCase() === run.engine.serverName.toLowerCase())
    throw unsupported('EXECUTE … AT this instance itself');
  await tell(run, await ask(run, server, { kind: 'procedure', database: 'master', text, parameters: [] }));
}

async function tell(run: Run, answer: RemoteAnswer): Promise<void> {
  for (const { columns, rows } of answer.resultSets) {
    run.sink.columns(columns);
    await sendRows(run, rows);
    const rowCount = BigInt(rows.length);
    run.sink.done(run.session.options.noCount ? { command: SELECT_COMMAND } : { command: SELECT_COMMAND, rowCount });
  }
  run.state.rowCount = answer.rowCount ?? 0n;
  run.state.error = 0;
}
