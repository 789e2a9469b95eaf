import { spawnSync } from 'node:child_process';

/**
 * What a broker of our own needs and this machine has not: tests are skipped by this name. With `CI=true` undefined, whatever is missing:
 * they then fail.
 */
export function missingForKafka(env: Readonly<Record<string, string | undefined>>): string | undefined {
  if (env['CI'] === 'true') return undefined;
  const missing = ['java', 'mvn'].filter(program => spawnSync(program, ['-version']).status !== 0);
  return missing.length === 0 ? undefined : `no ${missing.join(' and no ')}`;
}
