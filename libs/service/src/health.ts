import { type FastifyInstance } from 'fastify';
import { type Registry } from 'prom-client';
import { type Clock } from './clock.ts';
import { safeMessage } from './safe-message.ts';

export type HealthState = { readonly ok: boolean; readonly detail?: string };
export type HealthCheck = { readonly name: string; readonly check: () => HealthState | Promise<HealthState> };

export type HealthOptions = {
  readonly name: string;
  readonly version?: string;
  readonly registry: Registry;
  readonly checks: readonly HealthCheck[];
  readonly clock: Clock;
  /** A check that takes longer counts as failed; 2,000 when left out. */
  readonly checkLimitMs?: number;
};

type Reported = { readonly name: string; readonly ok: boolean; readonly detail: string; readonly since: string };

/**
 * `/livez` 200 while the event loop answers · `/readyz` 200 or 503 with one entry per check (`since`: when it last changed) ·
 * `/metrics` Prometheus text · `/version`. These four are open: they tell no facts of an estate.
 */
export function registerHealth(app: FastifyInstance, options: HealthOptions): void {
  const { name, version, registry, checks, clock, checkLimitMs = 2_000 } = options;
  const last = new Map<string, { ok: boolean; since: string }>();

  const report = async ({ name: checkName, check }: HealthCheck): Promise<Reported> => {
    const { ok, detail } = await withinLimit(check, checkLimitMs);
    const before = last.get(checkName);
    const since = before?.ok === ok ? before.since : new Date(clock()).toISOString();
    last.set(checkName, { ok, since });
    return { name: checkName, ok, detail: detail ?? (ok ? 'ok' : 'failed'), since };
  };

  app.get('/livez', async () => ({ ok: true }));
  app.get('/version', async () => ({ name, version: version ?? null, node: process.version }));
  app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()));
  app.get('/readyz', async (_request, reply) => {
    const reported = await Promise.all(checks.map(report));
    const ready = reported.every(({ ok }) => ok);
    return reply.code(ready ? 200 : 503).send({ name, ready, checks: reported });
  });
}

async function withinLimit(check: HealthCheck['check'], limitMs: number): Promise<HealthState> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<HealthState>(resolve => {
    timer = setTimeout(() => resolve({ ok: false, detail: `no answer within ${limitMs} ms` }), limitMs);
  });
  try {
    return await Promise.race([Promise.resolve().then(check), late]);
  } catch (error) {
    return { ok: false, detail: safeMessage(error) };
  } finally {
    clearTimeout(timer);
  }
}
