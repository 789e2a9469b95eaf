/** The certificate that the instance shows: the one it was given, or its own, signed by itself. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';

/** PEM texts. */
export type KeyPair = { readonly certificate: string; readonly key: string };

export type TlsContexts = {
  /** TLS inside TDS 7: 1.2 at the most, later ones hide where the handshake ends. */
  readonly inside: SecureContext;
  /** TLS before TDS 8.0. */
  readonly first: SecureContext;
};

const ownYears = 10;
const certificateFile = 'certificate.pem';
const keyFile = 'key.pem';

/**
 * Of the given pair, or of the instance's own in `folder`. Making one costs more than the rest of a start: an instance that nobody reaches encrypted
 * does without.
 */
export function tlsContexts(
  given: KeyPair | undefined,
  folder: string,
  serverName: string,
): () => Promise<TlsContexts> {
  const make = async (): Promise<TlsContexts> =>
    secureContexts(given ?? (await ownKeyPair(folder, serverName, new Date())));
  let made: Promise<TlsContexts> | undefined;
  return () =>
    (made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    }));
}

export function secureContexts({ certificate, key }: KeyPair): TlsContexts {
  const pair = { cert: certificate, key, minVersion: 'TLSv1.2' as const };
  return { inside: createSecureContext({ ...pair, maxVersion: 'TLSv1.2' }), first: createSecureContext(pair) };
}

/** Of the options `--tls-cert` and `--tls-key`: both or neither. What is wrong with them is added to `mistakes`. */
export function readKeyPair(
  certificate: string | undefined,
  key: string | undefined,
  mistakes: string[],
): KeyPair | undefined {
  if (certificate === undefined && key === undefined) return undefined;
  if (certificate === undefined || key === undefined) {
    mistakes.push('tls-cert and tls-key are given together or not at all');
    return undefined;
  }
  const read = (option: string, file: string): string | undefined => {
    try {
      return readFileSync(file, 'utf8');
    } catch (error) {
      mistakes.push(`${option}: ${textOf(error)}`);
      return undefined;
    }
  };
  const texts = [read('tls-cert', certificate), read('tls-key', key)] as const;
  if (texts[0] === undefined || texts[1] === undefined) return undefined;
  const pair = { certificate: texts[0], key: texts[1] };
  const found = pairMistakes(pair, `tls-cert ${certificate}`, `tls-key ${key}`);
  mistakes.push(...found);
  return found.length === 0 ? pair : undefined;
}

/** Made in `folder` when there is none yet, and kept. Throws an Error that names the file when what was kept cannot be used. */
export async function ownKeyPair(folder: string, serverName: string, now: Date): Promise<KeyPair> {
  const [certificatePath, keyPath] = [join(folder, certificateFile), join(folder, keyFile)];
  const kept = await readOrUndefined(certificatePath);
  if (kept === undefined) return makeKeyPair(folder, serverName, now);
  const pair = { certificate: kept, key: await readFile(keyPath, 'utf8') };
  const found = pairMistakes(pair, certificatePath, keyPath);
  if (found.length > 0) throw new Error(`${found.join('; ')}. Remove both files to have new ones made.`);
  return pair;
}

async function makeKeyPair(folder: string, serverName: string, now: Date): Promise<KeyPair> {
  const { generate } = await import('selfsigned');
  const notAfter = new Date(now);
  notAfter.setUTCFullYear(now.getUTCFullYear() + ownYears);
  const { cert, private: key } = await generate([{ name: 'commonName', value: serverName.replaceAll('\\', '/') }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: now,
    notAfterDate: notAfter,
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  });
  await mkdir(folder, { recursive: true });
  // The certificate last: where it is, the key that belongs to it is too.
  await replace(join(folder, keyFile), key);
  await replace(join(folder, certificateFile), cert);
  return { certificate: cert, key };
}

/** A file half written is never seen under its name. */
async function replace(path: string, text: string): Promise<void> {
  const fresh = `${path}.new`;
  await writeFile(fresh, text, { mode: 0o600, flush: true });
  await rename(fresh, path);
}

async function readOrUndefined(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function pairMistakes(pair: KeyPair, certificateName: string, keyName: string): string[] {
  const certificate = attempt(() => new X509Certificate(pair.certificate));
  const key = attempt(() => createPrivateKey(pair.key));
  const mistakes: string[] = [];
  if ('failed' in certificate) mistakes.push(`${certificateName} holds no certificate: ${certificate.failed}`);
  if ('failed' in key) mistakes.push(`${keyName} holds no private key that can be read: ${key.failed}`);
  if ('failed' in certificate || 'failed' in key) return mistakes;
  if (!certificate.made.checkPrivateKey(key.made)) return [`${keyName} is not the key of ${certificateName}`];
  const contexts = attempt(() => secureContexts(pair));
  return 'failed' in contexts ? [`${certificateName} cannot be used for TLS: ${contexts.failed}`] : [];
}

function attempt<T>(make: () => T): { readonly made: T } | { readonly failed: string } {
  try {
    return { made: make() };
  } catch (error) {
    return { failed: textOf(error) };
  }
}

function textOf(error: unknown): string {
  return Error.isError(error) ? error.message : String(error);
}
