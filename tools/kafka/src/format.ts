import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureCertificate } from './certificate.ts';
import { KafkaError } from './errors.ts';
import type { BrokerFolder, StartedAs } from './folder.ts';
import type { Installation } from './installation.ts';
import { javaArguments } from './java-arguments.ts';
import { lastLinesOf, runProgram } from './program.ts';
import { renderServerProperties, type ServerSettings } from './properties.ts';
import { ensureUsers, renderScramArguments, type Users } from './users.ts';
import { writeWhole } from './write-whole.ts';

const limitMs = 60_000;

/**
 * Makes a folder one that a broker can be started on, once: users, certificate, and Kafka's own format. Whatever is there already stays.
 * Returns the users; undefined when nobody logs in. @throws KafkaError UNFIT_FOLDER, FORMAT_FAILED.
 */
export async function ensureFormatted(
  installation: Installation,
  folder: BrokerFolder,
  { security }: StartedAs,
): Promise<Users | undefined> {
  const isFormatted = existsSync(join(folder.data, 'meta.properties'));
  if (isFormatted && security !== 'plaintext' && !existsSync(folder.users))
    throw new KafkaError(
      'UNFIT_FOLDER',
      `The broker of ${folder.root} has no users, because it was started in plain text first: name another folder, or remove it.`,
    );
  const users = security === 'plaintext' ? undefined : await ensureUsers(folder.users);
  if (security === 'sasl-tls') await ensureCertificate(folder.tls, new Date());
  if (!isFormatted) await format(installation, folder, users);
  return users;
}

async function format(installation: Installation, folder: BrokerFolder, users: Users | undefined): Promise<void> {
  const { java, env } = installation;
  // Formatted beside and renamed: one that was ended half-way leaves nothing that looks formatted.
  const part = `${folder.data}.part`;
  const properties = join(folder.root, 'format.properties');
  const argumentFile = join(folder.root, 'format.arguments');
  await rm(part, { recursive: true, force: true });
  await writeWhole(properties, renderServerProperties({ ...settingsForFormat, dataFolder: part }));
  // An id may begin with a dash: always with the equals sign (kafka.md §9.1).
  const id = `--cluster-id=${randomBytes(16).toString('base64url')}`;
  const scram = users === undefined ? [] : renderScramArguments(users);
  await writeWhole(argumentFile, [id, '--standalone', '--config', properties, ...scram].join('\n'));
  try {
    const args = [...javaArguments(installation), 'kafka.tools.StorageTool', 'format', `@${argumentFile}`];
    const end = await runProgram(java.file, args, { env, limitMs, folder: folder.root });
    if (end.kind !== 'ENDED' || end.code !== 0) throw formatFailed(folder, end.kind === 'MISSING' ? '' : end.output);
  } finally {
    await rm(argumentFile, { force: true });
    await rm(properties, { force: true });
  }
  await rm(folder.data, { recursive: true, force: true });
  await rename(part, folder.data);
}

/** Formatting listens nowhere. */
const settingsForFormat: Omit<ServerSettings, 'dataFolder'> = {
  security: 'plaintext',
  acl: false,
  port: 1,
  controllerPort: 2,
  innerPort: 3,
  brokerPassword: undefined,
  keystore: '',
};

function formatFailed({ root }: BrokerFolder, output: string): KafkaError {
  // It prints what it makes, the users' keys included.
  const lines = lastLinesOf(output, 30).filter(line => !line.includes('Scram'));
  return new KafkaError('FORMAT_FAILED', `${root} could not be formatted for Kafka.\n${lines.slice(-12).join('\n')}`);
}
