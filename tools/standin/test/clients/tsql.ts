/** FreeTDS' `tsql`: batches in, rows on stdout, messages on stderr. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { password } from './instance.ts';

export type TsqlOptions = {
  readonly port: number;
  /** Where its configuration file is written. */
  readonly scratch: string;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  /** FreeTDS' own words: off, request, require. */
  readonly encryption?: string;
  readonly version?: string;
};

export type Spoken = {
  /** Lines of rows, columns separated by `|`; each result begins with its column names. */
  readonly rows: readonly string[];
  /** `number/severity/state line text` */
  readonly messages: readonly string[];
  readonly exitCode: number | null;
};

/** One session: each batch is sent with GO. */
export async function tsql(options: TsqlOptions, batches: readonly string[]): Promise<Spoken> {
  const { port, scratch, user = 'sa', database, encryption = 'off', version = '7.4' } = options;
  const file = join(scratch, 'freetds.conf');
  const settings = ['host = 127.0.0.1', `port = ${port}`, `tds version = ${version}`, `encryption = ${encryption}`];
  writeFileSync(file, `[instance]\n${settings.join('\n')}\nclient charset = UTF-8\n`);
  const args = ['-S', 'instance', '-U', user, '-P', options.password ?? password, '-t', '|', '-o', 'q'];
  if (database !== undefined) args.push('-D', database);
  const child = spawn('tsql', args, { stdio: 'pipe', env: { ...process.env, FREETDSCONF: file, LC_ALL: 'C.UTF-8' } });
  const said = { out: '', errors: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.errors += text));
  // Who is refused does not read the rest.
  child.stdin.on('error', () => undefined);
  child.stdin.end(`${batches.map(batch => `${batch}\nGO\n`).join('')}exit\n`);
  const exitCode = await new Promise<number | null>(resolve => child.once('close', resolve));
  return { rows: said.out.split('\n').filter(line => line !== ''), messages: messagesOf(said.errors), exitCode };
}

const head = /^Msg (\d+) \(severity (\d+), state (\d+)\) from .* Line (\d+):\n\t"(.*)"$/gm;

function messagesOf(text: string): string[] {
  return [...text.matchAll(head)].map(
    ([, number, severity, state, line, words]) => `${number}/${severity}/${state} ${line} ${words}`,
  );
}
