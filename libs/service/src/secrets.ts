import { readFile } from 'node:fs/promises';

/** Where a secret is; the secret itself is never stored, returned or logged. */
export type SecretRef =
  { readonly kind: 'env'; readonly name: string } | { readonly kind: 'file'; readonly path: string };

export type SecretRefProblem = { readonly problem: string; readonly fix: string };

/** A reference could not be followed. `reference` is safe to show. */
export class SecretError extends Error {
  readonly reference: string;
  readonly fix: string;
  constructor(reference: string, problem: string, fix: string, cause?: unknown) {
    super(`Secret ${reference}: ${problem}. ${fix}`, { cause });
    this.name = 'SecretError';
    this.reference = reference;
    this.fix = fix;
  }
}

/** Reads `env:NAME` or `file:path`. The refusal does not repeat the text: somebody may have typed the secret itself. */
export function parseSecretRef(text: string): { readonly ref: SecretRef } | SecretRefProblem {
  const env = /^env:([A-Za-z_][A-Za-z0-9_]*)$/.exec(text)?.[1];
  if (env !== undefined) return { ref: { kind: 'env', name: env } };
  const path = /^file:([^\r\n\0]+)$/.exec(text)?.[1];
  if (path !== undefined && path.trim() !== '') return { ref: { kind: 'file', path } };
  return {
    problem: 'is not a reference to a secret',
    fix: 'Give env:NAME (an environment variable of the service) or file:path (a file that the service can read), never the secret itself.',
  };
}

export function renderSecretRef(ref: SecretRef): string {
  return ref.kind === 'env' ? `env:${ref.name}` : `file:${ref.path}`;
}

export type SecretSources = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly readFile?: (path: string) => Promise<string>;
};

/** The secret behind a reference, without the file's last line break. @throws SecretError when it is malformed, missing or empty. */
export async function resolveSecret(ref: string | SecretRef, sources: SecretSources): Promise<string> {
  const parsed = typeof ref === 'string' ? parseSecretRef(ref) : { ref };
  if ('problem' in parsed) throw new SecretError('(unreadable reference)', parsed.problem, parsed.fix);
  const reference = renderSecretRef(parsed.ref);
  const value =
    parsed.ref.kind === 'env' ? fromEnv(parsed.ref.name, sources) : await fromFile(parsed.ref.path, sources);
  if (value === '') throw new SecretError(reference, 'is empty', 'Put the secret there and try again.');
  return value;
}

function fromEnv(name: string, { env }: SecretSources): string {
  const value = env[name];
  if (value === undefined)
    throw new SecretError(`env:${name}`, 'is not set', `Set the environment variable ${name} for this service.`);
  return value;
}

async function fromFile(path: string, sources: SecretSources): Promise<string> {
  const read = sources.readFile ?? ((file: string) => readFile(file, 'utf8'));
  try {
    return (await read(path)).replace(/\r?\n$/, '');
  } catch (cause) {
    throw new SecretError(
      `file:${path}`,
      'could not be read',
      'Check that the file exists and that the account of this service may read it.',
      cause,
    );
  }
}
