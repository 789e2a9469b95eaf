import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from './write-whole.ts';

/** `broker` is its way to itself, `app` may do everything, `guest` nothing once there are ACLs. */
const userNames = ['broker', 'app', 'guest'] as const;

export type UserName = (typeof userNames)[number];

export type Users = Readonly<Record<UserName, string>>;

export function passwordFile(folder: string, user: UserName): string {
  return join(folder, `${user}.password`);
}

/** The users of a data folder, with random passwords when they are new. They get into the broker when the folder is formatted. */
export async function ensureUsers(folder: string): Promise<Users> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const [broker, app, guest] = await Promise.all(userNames.map(user => ensurePassword(passwordFile(folder, user))));
  return { broker: broker ?? '', app: app ?? '', guest: guest ?? '' };
}

/** For an argument file of StorageTool, an argument a line: on a command line `ps` would show them. */
export function renderScramArguments(users: Users): readonly string[] {
  return userNames.flatMap(name => ['--add-scram', `SCRAM-SHA-256=[name=${name},password=${users[name]}]`]);
}

async function ensurePassword(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  // Hexadecimal: it needs no quoting anywhere.
  const password = randomBytes(16).toString('hex');
  await writeWhole(file, password);
  return password;
}
