import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastingPorts } from '@holdfast/run';
import { audience, identityProvider, issuer } from './client.ts';
import { launchApp, type RunningApp } from './process.ts';

export const subgraphs = ['inventory', 'backup', 'shipping', 'restore'] as const;
export const apps = [...subgraphs, 'gateway'] as const;

export type AppName = (typeof apps)[number];

/** The four services and the gateway, a process each, on one folder. Their events do not reach each other: each has a bus of its own. */
export type Services = {
  /** Of this system and of whoever works on it. */
  readonly folder: string;
  readonly identity: Awaited<ReturnType<typeof identityProvider>>;
  /** The one that was launched last under this name. */
  app(name: AppName): RunningApp;
  /** At the same port, on the same state. The one before must have ended. */
  launch(name: AppName): RunningApp;
  /** Ends all and removes the folder. */
  remove(): Promise<void>;
};

/** Resolves when all of them are ready. `settings`: of the gateway, as its environment names them. */
export async function startServices(settings: Readonly<Record<string, string>> = {}): Promise<Services> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-services-'));
  const identity = await identityProvider();
  writeFileSync(join(folder, 'issuer.pem'), identity.publicKeyPem);
  writeFileSync(join(folder, 'signing.key'), 's'.repeat(48));
  const free = await lastingPorts(apps.length);
  const ports = new Map(apps.map((name, index) => [name, free[index] ?? 0]));
  const running = new Map<AppName, RunningApp>();
  const app = (name: AppName): RunningApp => {
    const found = running.get(name);
    if (found === undefined) throw new Error(`${name} was never launched.`);
    return found;
  };
  const launch = (name: AppName): RunningApp => {
    const port = ports.get(name) ?? 0;
    const launched = launchApp(name, port, settingsOf(name, folder, ports, settings));
    running.set(name, launched);
    return launched;
  };
  const remove = async (): Promise<void> => {
    await Promise.all([...running.values()].map(each => each.stop()));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await Promise.all(subgraphs.map(name => launch(name).ready()));
    await launch('gateway').ready();
    return { folder, identity, app, launch, remove };
  } catch (error) {
    // A start that failed half-way leaves what had started.
    await remove();
    throw error;
  }
}

function settingsOf(
  name: AppName,
  folder: string,
  ports: ReadonlyMap<AppName, number>,
  ofGateway: Readonly<Record<string, string>>,
): Record<string, string> {
  const settings: Record<string, string> = {
    HTTP__PORT: String(ports.get(name) ?? 0),
    SIGNING_KEY: `file:${join(folder, 'signing.key')}`,
  };
  if (name === 'gateway') {
    Object.assign(settings, ofGateway);
    settings['AUTH__ISSUER'] = issuer;
    settings['AUTH__AUDIENCE'] = audience;
    settings['AUTH__PUBLIC_KEY_FILE'] = join(folder, 'issuer.pem');
    for (const subgraph of subgraphs)
      settings[`SUBGRAPHS__${subgraph.toUpperCase()}`] = `http://127.0.0.1:${ports.get(subgraph) ?? 0}/graphql`;
  } else settings['STATE_FOLDER'] = join(folder, 'state');
  const section = `HOLDFAST_${name.toUpperCase()}__`;
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [section + key, value]));
}
