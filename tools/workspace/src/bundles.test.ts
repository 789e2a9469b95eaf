import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, type KeyObject, randomInt, sign } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type BundledApp, bundledApps } from './bundled-apps.ts';
import { type ComposeService, readCompose } from './compose-file.ts';
import { startBroker } from './testing/broker.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const readyScript = join(root, 'tools/workspace/docker/ready.mjs');
const issuer = 'https://identity.example';
const limitMs = 120_000;

/** A process that was started from a bundle. */
type Running = {
  readonly child: ChildProcess;
  readonly env: Record<string, string>;
  readonly url: string;
  readonly output: () => string;
};

const folder = mkdtempSync(join(tmpdir(), 'holdfast-bundles-'));
/** Those that `npm test` made of the sources, where it did. */
const made = process.env['HOLDFAST_PROGRAMS'];
const dist = made === undefined ? join(folder, 'dist') : join(made, 'apps');
const broker = await startBroker(join(folder, 'kafka'));
const withBroker = broker.ok || process.env['CI'] === 'true' ? describe : describe.skip;
const why = broker.ok ? '' : ` (${broker.reason})`;

withBroker(`the bundles, started with their variables of docker-compose.yml${why}`, () => {
  const running = new Map<BundledApp, Running>();
  const identity = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  let identityProvider: Server | undefined;

  beforeAll(async () => {
    if (made === undefined) {
      const built = run('tools/workspace/src/build.ts', ['--out', dist], root, {});
      const [code] = (await once(built.child, 'exit')) as [number | null];
      if (code !== 0) throw new Error(built.output());
    }
    identityProvider = await publish(identity.publicKey);
    writeFileSync(join(folder, 'signing-key'), 's'.repeat(48));
    const compose = readCompose(join(root, 'docker-compose.yml'), {
      ACCEPT_EULA: 'Y',
      OIDC_ISSUER: issuer,
      OIDC_AUDIENCE: 'holdfast',
      OIDC_JWKS_URL: `http://127.0.0.1:${portOf(identityProvider)}/`,
    });
    const free = await freePorts(bundledApps.length);
    const ports = new Map(bundledApps.map((app, index) => [app as string, free[index] ?? 0]));
    for (const app of bundledApps) running.set(app, startAs(app, compose.services, ports));
    await Promise.all([...running.values()].map(ready));
  }, 2 * limitMs);

  afterAll(async () => {
    for (const { child } of running.values()) if (child.exitCode === null) child.kill('SIGKILL');
    identityProvider?.close();
    await Promise.all([...running.values()].map(ended));
    if (broker.ok) await broker.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('lie where no package of this repository is found', () => {
    const above: string[] = [];
    for (let place = dist; place !== dirname(place); place = dirname(place)) above.push(place);
    expect(above.filter(place => existsSync(join(place, 'node_modules')))).toEqual([]);
    expect(readdirSync(dist).sort()).toEqual([...bundledApps].sort());
  });

  it.each(bundledApps)('%s names no path of this machine and says whose code it holds', app => {
    const bundle = join(dist, app);
    expect(readFileSync(join(bundle, 'main.js'), 'utf8').includes(root)).toBe(false);
    expect(readFileSync(join(bundle, 'THIRD-PARTY.txt'), 'utf8')).toContain('\ngraphql 16.');
    expect(existsSync(join(bundle, 'LICENSE'))).toBe(true);
  });

  it.each(bundledApps)('%s is ready, and the health check of its image says so', async app => {
    const { url, env } = known(app);
    const answer = await fetch(`${url}/readyz`);
    await answer.body?.cancel();
    expect(answer.status).toBe(200);
    expect(await healthCheck(env)).toBe(0);
  });

  it('gateway plans with the addon that was copied beside it, and asks the services', async () => {
    const { url, output } = known('gateway');
    expect(await ask(url, token(identity.privateKey))).toEqual({ data: { groups: { edges: [] } } });
    // The addon exists for these two; elsewhere the gateway plans in JavaScript.
    if (['linux', 'darwin'].includes(process.platform)) expect(output()).toContain('"planner":"rust"');
  });

  it('all-in-one announces a token and answers to it', async () => {
    const { output } = known('all-in-one');
    const announcement = /^\{"ready":true.*$/m.exec(output())?.[0] ?? '{}';
    const { url, token: announced } = JSON.parse(announcement) as { url: string; token: string };
    expect(await ask(new URL(url).origin, announced)).toEqual({ data: { groups: { edges: [] } } });
  });

  it('a variable that its configuration does not know is refused by name', async () => {
    const name = 'HOLDFAST_INVENTORY__NO_SUCH_SETTING';
    const refused = run('main.js', [], join(dist, 'inventory'), { ...known('inventory').env, [name]: 'x' });
    expect(await ended(refused)).toBe(1);
    expect(refused.output()).toContain(name);
  });

  it.each(bundledApps)('%s stops when it is asked to, and is no longer ready', async app => {
    const { child, env } = known(app);
    child.kill('SIGTERM');
    expect(await ended(known(app))).toBe(process.platform === 'win32' ? null : 0);
    expect(await healthCheck(env)).not.toBe(0);
  });

  function known(app: BundledApp): Running {
    const found = running.get(app);
    if (found === undefined) throw new Error(`${app} was not started.`);
    return found;
  }

  function startAs(
    app: BundledApp,
    services: Readonly<Record<string, ComposeService>>,
    ports: ReadonlyMap<string, number>,
  ): Running {
    const service = services[app === 'all-in-one' ? 'holdfast' : app];
    if (service === undefined) throw new Error(`docker-compose.yml has no ${app}.`);
    const state = join(folder, 'state', app);
    mkdirSync(state, { recursive: true });
    // What belongs to a container becomes what belongs to this test; every name and every other value stays as it is.
    const here = (key: string, value: string): string => {
      if (key.endsWith('__HTTP__PORT')) return String(ports.get(app));
      return value
        .replace(/^0\.0\.0\.0$/, '127.0.0.1')
        .replace(/^http:\/\/([a-z]+):\d+\//, (url, name: string) => {
          const port = ports.get(name);
          return port === undefined ? url : `http://127.0.0.1:${port}/`;
        })
        .replace(/^kafka:9092$/, broker.ok ? broker.brokers : 'kafka:9092')
        .replace('/run/secrets', folder)
        .replace(/^\/var\/lib\/holdfast$/, state);
    };
    const settings = Object.entries(service.environment ?? {}).map(([key, value]) => [key, here(key, String(value))]);
    const env = Object.fromEntries(settings) as Record<string, string>;
    const args = (service.command ?? []).map(each => here('', each));
    const started = run('main.js', args, join(dist, app), env);
    return { ...started, env, url: `http://127.0.0.1:${ports.get(app) ?? 0}` };
  }
});

function run(script: string, args: readonly string[], cwd: string, env: Record<string, string>): Omit<Running, 'url'> {
  // Not the settings of whoever runs the tests.
  const kept = ['PATH', 'SystemRoot', 'NODE_COMPILE_CACHE'].flatMap(name =>
    process.env[name] === undefined ? [] : [[name, process.env[name]]],
  );
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...args], {
    cwd,
    env: { ...(Object.fromEntries(kept) as Record<string, string>), HOLDFAST_PARENT_PID: String(process.pid), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
  return { child, env, output: () => output };
}

async function ready({ child, url, output }: Running): Promise<void> {
  const limit = AbortSignal.timeout(limitMs);
  for (;;) {
    if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode} before it was ready:\n${output()}`);
    if (limit.aborted) throw new Error(`not ready in time:\n${output()}`);
    const answer = await fetch(`${url}/readyz`).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.status === 200) return;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

async function ended({ child }: Pick<Running, 'child'>): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode;
}

function healthCheck(env: Record<string, string>): Promise<number | null> {
  return ended(run(readyScript, [], root, env));
}

async function ask(origin: string, bearer: string): Promise<unknown> {
  const answer = await fetch(`${origin}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ groups(first: 1) { edges { node { id } } } }' }),
  });
  return answer.json();
}

function token(privateKey: KeyObject): string {
  const now = Math.floor(Date.now() / 1_000);
  const claims = { iss: issuer, aud: 'holdfast', sub: 'test', iat: now, exp: now + 600 };
  const parts = [
    { alg: 'ES256', kid: 'test' },
    { ...claims, holdfast: { roles: ['viewer'], groups: ['*'] } },
  ];
  const signed = parts.map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

/** An identity provider, as far as the gateway asks it for anything. */
async function publish(publicKey: KeyObject): Promise<Server> {
  const keys = [{ ...publicKey.export({ format: 'jwk' }), kid: 'test', alg: 'ES256', use: 'sig' }];
  const server = createHttpServer((_request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

function portOf(server: { address(): unknown }): number {
  return (server.address() as { port: number }).port;
}

/** All are held until every one is known: two asked for at once are two. */
/** Below those that systems give by themselves: one of these would go to anybody's next connection before a bundle listens there. */
async function freePorts(count: number): Promise<number[]> {
  const held: ReturnType<typeof createServer>[] = [];
  while (held.length < count) {
    const server = createServer();
    const listening = once(server.listen(randomInt(10_000, 20_000), '127.0.0.1'), 'listening');
    if (
      await listening.then(
        () => true,
        () => false,
      )
    )
      held.push(server);
  }
  const ports = held.map(portOf);
  await Promise.all(held.map(server => once(server.close(), 'close')));
  return ports;
}
