import { readFile } from 'node:fs/promises';
import { certificateFiles } from './certificate.ts';
import type { BrokerFolder, StartedAs } from './folder.ts';
import type { Address } from './probe.ts';

/** Where clients of the broker ask, and whom they trust. */
export async function addressOf(folder: BrokerFolder, { security }: StartedAs, port: number): Promise<Address> {
  if (security !== 'sasl-tls') return { port, ca: undefined };
  return { port, ca: await readFile(certificateFiles(folder.tls).ca, 'utf8') };
}
