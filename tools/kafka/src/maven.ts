import { fileURLToPath } from 'node:url';
import { KafkaError } from './errors.ts';
import { type Environment, missingProgram } from './java.ts';
import { lastLinesOf, runProgram } from './program.ts';

const projectFolder = fileURLToPath(new URL('..', import.meta.url));

export type MavenCopy = {
  readonly env: Environment;
  /** `repository`: in folders as a Maven repository has them. `flat`: all in one folder. */
  readonly layout: 'flat' | 'repository';
  readonly limitMs?: number;
};

/**
 * Resolves pom.xml with the user's own Maven settings and copies every jar to `folder`. From an empty local repository it takes some 15 s.
 * @throws KafkaError MISSING_PROGRAM, MAVEN_FAILED.
 */
export async function copyJars(folder: string, { env, layout, limitMs = 300_000 }: MavenCopy): Promise<void> {
  const args = [
    '-B',
    '-q',
    '-C',
    '-f',
    projectFolder,
    'dependency:copy-dependencies',
    `-DoutputDirectory=${folder}`,
    '-DincludeScope=runtime',
    `-Dmdep.useRepositoryLayout=${layout === 'repository'}`,
  ];
  // On Windows Maven is mvn.cmd, which this does not find (unverified): the message then names what is missing.
  const end = await runProgram('mvn', args, { env, limitMs });
  if (end.kind === 'MISSING') throw missingProgram('Maven is missing, and Kafka has to be fetched once.');
  if (end.kind === 'LATE')
    throw new KafkaError('MAVEN_FAILED', `Maven had not fetched Kafka within ${limitMs / 1_000} s, and was ended.`);
  if (end.code !== 0)
    throw new KafkaError(
      'MAVEN_FAILED',
      `Maven could not fetch Kafka (exit code ${end.code}).\n${lastLinesOf(end.output, 12).join('\n')}`,
    );
}
