import { describe, expect, it } from '@jest/globals';
import { fastify } from 'fastify';
import { Counter, Registry } from 'prom-client';
import { registerHealth, type HealthCheck } from './health.ts';

function served(checks: readonly HealthCheck[], clock = () => 0) {
  const app = fastify();
  const registry = new Registry();
  new Counter({ name: 'tests_total', help: 'x', registers: [registry] }).inc();
  registerHealth(app, { name: 'inventory', version: '1.2.3', registry, checks, clock, checkLimitMs: 20 });
  return app;
}

describe('health', () => {
  it('answers /livez, /version and /metrics', async () => {
    const app = served([]);
    expect((await app.inject('/livez')).statusCode).toBe(200);
    expect((await app.inject('/version')).json()).toEqual({
      name: 'inventory',
      version: '1.2.3',
      node: process.version,
    });
    const metrics = await app.inject('/metrics');
    expect(metrics.body).toContain('tests_total 1');
    expect(metrics.headers['content-type']).toContain('text/plain');
  });

  it('is ready only while every check is, and says since when', async () => {
    let now = 1_000;
    let ok = true;
    const app = served([{ name: 'store', check: () => ({ ok, detail: ok ? 'open' : 'disk full' }) }], () => now);
    const at = (ms: number) => new Date(ms).toISOString();
    expect((await app.inject('/readyz')).json()).toEqual({
      name: 'inventory',
      ready: true,
      checks: [{ name: 'store', ok: true, detail: 'open', since: at(1_000) }],
    });
    now = 2_000;
    expect((await app.inject('/readyz')).json()).toMatchObject({ checks: [{ since: at(1_000) }] });
    ok = false;
    const failed = await app.inject('/readyz');
    expect(failed.statusCode).toBe(503);
    expect(failed.json()).toMatchObject({
      ready: false,
      checks: [{ ok: false, detail: 'disk full', since: at(2_000) }],
    });
  });

  it('counts a check that throws or does not answer as failed, without its secrets', async () => {
    const app = served([
      { name: 'throws', check: () => Promise.reject(new Error('Server=a;Password=hunter2')) },
      { name: 'hangs', check: () => new Promise(() => undefined) },
      { name: 'good', check: async () => ({ ok: true }) },
    ]);
    const answer = await app.inject('/readyz');
    expect(answer.statusCode).toBe(503);
    expect(answer.json()).toMatchObject({
      checks: [
        { name: 'throws', ok: false, detail: 'Error: [connection string]' },
        { name: 'hangs', ok: false, detail: 'no answer within 20 ms' },
        { name: 'good', ok: true, detail: 'ok' },
      ],
    });
  });
});
