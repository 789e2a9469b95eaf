/** The peers file: where the other instances of this machine are, and the secret that instances show each other. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { foldText } from '../engine/compare.ts';
import type { PeerDirectory } from '../engine/options.ts';

const attempts = 5;
const betweenAttemptsMs = 20;

export type Peers = { readonly secret: string; readonly instances: Readonly<Record<string, string>> };

/** Throws when the file is not `{ "secret": "…", "instances": { "NAME": "127.0.0.1:port" } }`. */
export async function readPeers(file: string): Promise<Peers> {
  const parsed = await parseWhole(file);
  const { secret, instances } = parsed ?? {};
  if (typeof secret !== 'string' || secret === '' || typeof instances !== 'object') {
    throw new Error(`the peers file ${file} needs "secret" and "instances"`);
  }
  return { secret, instances };
}

/** Whoever starts the instances may be writing the file just now. */
async function parseWhole(file: string): Promise<Partial<Peers> | null> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return JSON.parse(await readFile(file, 'utf8')) as Partial<Peers> | null;
    } catch (cause) {
      if (attempt === attempts) throw new Error(`the peers file ${file} cannot be read`, { cause });
    }
    await delay(betweenAttemptsMs);
  }
}

/** Reads the file anew for every connection: ports are known only once the instances have started. */
export function peerDirectory(file: string): PeerDirectory {
  return async dataSource => {
    const { secret, instances } = await readPeers(file);
    const wanted = foldText(dataSource);
    const address = Object.entries(instances).find(([name]) => foldText(name) === wanted)?.[1];
    if (address === undefined) return undefined;
    const [, host, port] = /^(127\.0\.0\.1):(\d+)$/.exec(address) ?? [];
    if (host === undefined || port === undefined)
      throw new Error(`the peers file has "${address}", not 127.0.0.1:port`);
    return { host, port: Number(port), secret };
  };
}
