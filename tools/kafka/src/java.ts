import { join } from 'node:path';
import { KafkaError } from './errors.ts';
import { runProgram } from './program.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export type Java = {
  /** A path, or the name that PATH resolves. */
  readonly file: string;
  /** All that `java -version` says: another text is another Java. */
  readonly version: string;
};

const oldest = 17;
const limitMs = 30_000;

/** The one command that brings both programs (kafka.md §1); a JRE is enough. */
export const installCommand = 'apt-get install -y --no-install-recommends maven openjdk-17-jre-headless';

export function missingProgram(what: string): KafkaError {
  return new KafkaError('MISSING_PROGRAM', `${what} On Debian: ${installCommand}`);
}

/** JAVA_HOME's, otherwise the one on PATH. @throws KafkaError MISSING_PROGRAM. */
export async function findJava(env: Environment): Promise<Java> {
  const home = env['JAVA_HOME'];
  const file = home === undefined || home === '' ? 'java' : join(home, 'bin', 'java');
  const end = await runProgram(file, ['-version'], { env, limitMs });
  // macOS has a `java` that only says that there is none.
  if (end.kind !== 'ENDED' || end.code !== 0)
    throw missingProgram(
      file === 'java'
        ? `Java ${oldest} or newer is missing: no "java" on PATH runs.`
        : `Java ${oldest} or newer is missing: ${file}, which JAVA_HOME names, does not run.`,
    );
  const major = Number(/version "(?:1\.)?(\d+)/.exec(end.output)?.[1] ?? 0);
  if (major < oldest)
    throw missingProgram(`Java ${oldest} or newer is missing: "${end.output.split('\n')[0] ?? ''}" is older.`);
  return { file, version: end.output };
}
