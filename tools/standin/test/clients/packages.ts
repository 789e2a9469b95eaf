/** Programs of Debian packages that the tests here need; where one is missing they are skipped, in CI they fail. */
import { spawnSync } from 'node:child_process';
import { describe, it } from '@jest/globals';

const packages = {
  tsql: 'freetds-bin',
  tshark: 'tshark',
  pymssql: 'python3-pymssql',
  pytds: 'python3-tds',
  ntlm_auth: 'python3-ntlm-auth',
} as const;

export type Client = keyof typeof packages;

/** Debian's modules are only there for Debian's own Python, which need not be the first one. */
const pythons = ['python3', '/usr/bin/python3'];

/** What runs it, undefined where it is not installed. */
export function programOf(client: Client): string | undefined {
  if (client === 'tsql' || client === 'tshark')
    return succeeds(client, [client === 'tsql' ? '-C' : '-v']) ? client : undefined;
  return pythons.find(python => succeeds(python, ['-c', `import ${client}`]));
}

function succeeds(program: string, args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

/** `describe`, or the same by name but skipped, with the command that installs the clients. */
export function describeWith(
  clients: readonly Client[],
  name: string,
  tests: (...programs: readonly string[]) => void,
): void {
  const programs = clients.map(programOf);
  const missing = clients.filter((_, at) => programs[at] === undefined);
  const install = `apt-get install --no-install-recommends ${missing.map(each => packages[each]).join(' ')}`;
  if (missing.length === 0) describe(name, () => tests(...programs.map(each => each ?? '')));
  else if (process.env['CI'] === 'true')
    it(name, () => {
      throw new Error(`not installed: ${install}`);
    });
  else describe.skip(`${name} (skipped: ${install})`, () => tests(...clients));
}
