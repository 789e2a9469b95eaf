import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { bundledApps } from './bundled-apps.ts';
import { type ComposeService, readCompose, variablesOf } from './compose-file.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const composeFile = join(root, 'docker-compose.yml');
const dockerFolder = join(root, 'tools/workspace/docker');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string;
  devDependencies: Record<string, string>;
};
const compose = readCompose(composeFile, { ACCEPT_EULA: 'Y', OIDC_ISSUER: 'https://identity.example' });
const services = Object.entries(compose.services);
const ours = services.filter(([, { build }]) => build !== undefined);
const others = services.filter(([, { build }]) => build === undefined);
/** Runs once, before the others. */
const once = ['folders'];

describe('docker-compose.yml', () => {
  it('names SQL Server primary and standby, Kafka and the five services', () => {
    const names = [
      'sqlserver-primary',
      'sqlserver-standby',
      'kafka',
      ...bundledApps.filter(app => app !== 'all-in-one'),
    ];
    expect(services.map(([name]) => name)).toEqual(expect.arrayContaining(names));
  });

  it.each(services)('%s has an image of one version', (_name, { image, build }) => {
    expect(image).toMatch(/^[a-z0-9./-]+:[0-9][A-Za-z0-9.-]*$/);
    if (build !== undefined) expect(image.split(':')[1]).toBe(manifest.version);
    if (image.startsWith('node:')) expect(image).toMatch(`node:${String(manifest.devDependencies['node'])}-`);
  });

  it.each(services)('%s publishes on 127.0.0.1 only, and no port twice', (_name, { ports = [] }) => {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    const all = services.flatMap(([, each]) => each.ports ?? []).map(port => port.split(':')[1]);
    expect(new Set(all).size).toBe(all.length);
  });

  it('declares every volume and secret that is used, and uses every one that is declared', () => {
    const volumes = services.flatMap(([, each]) => each.volumes ?? []);
    for (const volume of volumes) expect(volume).toMatch(/^[a-z-]+:\/[a-z/-]+(:ro)?$/);
    expect(sorted(volumes.map(volume => volume.split(':')[0] ?? ''))).toEqual(sorted(Object.keys(compose.volumes)));
    expect(sorted(services.flatMap(([, each]) => secretsOf(each).map(({ source }) => source)))).toEqual(
      sorted(Object.keys(compose.secrets)),
    );
  });

  it('refers only to secrets that the service is given', () => {
    for (const [name, service] of services) {
      const texts = JSON.stringify([
        service.environment,
        service.command,
        service.healthcheck,
        Reflect.get(service, 'entrypoint'),
      ]);
      const named = [...texts.matchAll(/\/run\/secrets\/([a-z-]+)/g)].map(([, secret]) => `${name} ${String(secret)}`);
      expect(secretsOf(service).map(({ target }) => `${name} ${target}`)).toEqual(expect.arrayContaining(named));
    }
  });

  it('holds no password and no key: they come from outside, by names that .env.example explains', () => {
    const text = readFileSync(composeFile, 'utf8');
    expect(text).not.toMatch(/(password|secret|key)["']?\s*[:=]\s*["']?[A-Za-z0-9+/]{6,}["']?\s*$/im);
    const example = readFileSync(join(dockerFolder, '.env.example'), 'utf8');
    const explained = [...example.matchAll(/^([A-Z_]+)=(.*)$/gm)];
    expect(sorted(explained.map(([, name]) => name ?? ''))).toEqual(sorted(variablesOf(composeFile)));
    expect(explained.filter(([, name = '', value]) => /PASSWORD|KEY/.test(name) && value !== '')).toEqual([]);
    for (const secret of Object.values(compose.secrets)) expect(Object.keys(secret)).toEqual(['environment']);
  });

  it.each(others.filter(([name]) => !once.includes(name)))('%s has a health check', (_name, { healthcheck }) => {
    expect(healthcheck?.test[0]).toBe('CMD');
  });

  it('waits only for what is there, healthy or done', () => {
    for (const [, { depends_on: waits = {} }] of services)
      for (const [name, { condition }] of Object.entries(waits)) {
        expect(Object.keys(compose.services)).toContain(name);
        expect(condition).toBe(once.includes(name) ? 'service_completed_successfully' : 'service_healthy');
      }
  });

  it('starts the services over Kafka, and the whole in one process only when asked for it', () => {
    const asked = services.filter(([, { profiles }]) => profiles !== undefined);
    expect(asked.map(([name, { profiles }]) => [name, profiles])).toEqual([['holdfast', ['one-process']]]);
    for (const app of bundledApps.filter(each => each !== 'all-in-one' && each !== 'gateway')) {
      expect(compose.services[app]?.environment?.[`HOLDFAST_${app.toUpperCase()}__KAFKA__BROKERS`]).toBe('kafka:9092');
      expect(compose.services[app]?.depends_on).toEqual({ kafka: { condition: 'service_healthy' } });
    }
    expect(JSON.stringify(compose.services['kafka']?.environment)).toContain('PLAINTEXT://kafka:9092');
  });
});

describe.each(ours)('%s of docker-compose.yml', (name, service) => {
  const app = service.build?.args['SERVICE'] ?? '';

  it('is built from a bundle that npm run build makes, by the Dockerfile there is', () => {
    expect(bundledApps).toContain(app);
    expect(name).toBe(app === 'all-in-one' ? 'holdfast' : app);
    expect(service.image).toMatch(`holdfast/${app}:`);
    expect(service.build?.context).toBe('.');
    expect(existsSync(join(root, service.build?.dockerfile ?? ''))).toBe(true);
  });

  it('is given settings of its own section only: another section would be ignored in silence', () => {
    const sections = Object.keys(service.environment ?? {}).map(each => /^HOLDFAST_([A-Z]+)__/.exec(each)?.[1] ?? each);
    const own = app === 'all-in-one' ? ['GATEWAY', 'INVENTORY', 'BACKUP', 'SHIPPING', 'RESTORE'] : [app.toUpperCase()];
    expect(sections.length).toBeGreaterThan(0);
    for (const section of sections) expect(own).toContain(section);
  });

  it('publishes the port that it listens on', () => {
    const settings = Object.entries(service.environment ?? {});
    const listens = settings.filter(([key]) => key.endsWith('__HTTP__PORT')).map(([, port]) => String(port));
    expect(listens).toHaveLength(1);
    for (const port of service.ports ?? []) expect(port.split(':')[2]).toBe(listens[0]);
  });
});

it('the gateway asks each service where it listens', () => {
  for (const [key, url] of Object.entries(compose.services['gateway']?.environment ?? {})) {
    const [, subgraph] = /__SUBGRAPHS__([A-Z]+)$/.exec(key) ?? [];
    if (subgraph === undefined) continue;
    const port = compose.services[subgraph.toLowerCase()]?.environment?.[`HOLDFAST_${subgraph}__HTTP__PORT`];
    expect(url).toBe(`http://${subgraph.toLowerCase()}:${String(port)}/graphql`);
  }
});

describe('the Dockerfile', () => {
  const lines = readFileSync(join(dockerFolder, 'Dockerfile'), 'utf8').split('\n');
  const instruction = (name: string): string[] =>
    lines.filter(line => line.startsWith(`${name} `)).map(line => line.slice(name.length + 1));

  it('starts from the Node that package.json pins, as nobody in particular, with a health check', () => {
    expect(instruction('FROM').map(image => image.split('-')[0])).toEqual([
      `node:${String(manifest.devDependencies['node'])}`,
    ]);
    expect(instruction('ARG')).toEqual(['SERVICE']);
    expect(instruction('USER')).toEqual([expect.stringMatching(/^[1-9]\d*:[1-9]\d*$/)]);
    expect(instruction('HEALTHCHECK')).toEqual([expect.stringContaining('CMD ["node", "ready.mjs"]')]);
    expect(instruction('ENTRYPOINT')).toEqual([expect.stringContaining('"main.js"]')]);
  });

  it('copies what there is, and the build context lets it through', () => {
    const sources = instruction('COPY').map(line => line.split(' ')[0] ?? '');
    expect(sources).toEqual(['dist/${SERVICE}/', 'tools/workspace/docker/ready.mjs']);
    expect(existsSync(join(root, 'tools/workspace/docker/ready.mjs'))).toBe(true);
    const ignored = readFileSync(join(dockerFolder, 'Dockerfile.dockerignore'), 'utf8').trim().split('\n');
    expect(ignored).toEqual(['*', '!dist', '!tools/workspace/docker/ready.mjs']);
  });
});

function secretsOf(service: ComposeService): { source: string; target: string }[] {
  return (service.secrets ?? []).map(each => (typeof each === 'string' ? { source: each, target: each } : each));
}

function sorted(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
}
