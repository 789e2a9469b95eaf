import { X509Certificate } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from './write-whole.ts';

export type CertificateFiles = {
  /** Key and certificate, as the broker wants them. */
  readonly keystore: string;
  /** The certificate alone: signed by itself, so clients trust it as an authority. */
  readonly ca: string;
};

const years = 10;

export function certificateFiles(folder: string): CertificateFiles {
  return { keystore: join(folder, 'keystore.pem'), ca: join(folder, 'ca.pem') };
}

/** Made when there is none or it has run out, and kept otherwise: clients hold on to the authority's file. */
export async function ensureCertificate(folder: string, now: Date): Promise<void> {
  const { keystore, ca } = certificateFiles(folder);
  if (await isValid(ca, now)) return;
  const { generate } = await import('selfsigned');
  const notAfter = new Date(now);
  notAfter.setUTCFullYear(now.getUTCFullYear() + years);
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'Holdfast Kafka' }], {
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
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // The certificate alone last: where it is, the key that belongs to it is too.
  await writeWhole(keystore, `${key.trimEnd()}\n${cert}`);
  await writeWhole(ca, cert);
}

async function isValid(file: string, now: Date): Promise<boolean> {
  try {
    return new X509Certificate(await readFile(file)).validToDate > now;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
