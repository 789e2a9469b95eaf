import { readFile } from 'node:fs/promises';
import { createLogger, type Logger, resolveSecret, safeMessage, type Service } from '@holdfast/service';
import { createAuthentication } from './authentication.ts';
import { openTracing, type SpanExporter, type Tracing, untraced } from '@holdfast/service/tracing';
import { type AlarmClock, systemClock } from './alarm-clock.ts';
import { firstOfEach, locateSubgraphs } from './composition.ts';
import type { GatewayConfig } from './config.ts';
import { readinessOf } from './health.ts';
import { createMetrics } from './metrics.ts';
import { type LoadPlanner, loadRustPlanner, probePlanner } from './planner.ts';
import { createReplicas } from './replicas.ts';
import { type Runtime, startRuntime } from './runtime.ts';
import { type GatewayServer, startServer } from './server.ts';
import { subscriptionEnd } from './subscription-end.ts';

export { type GatewayConfig, gatewaySchema } from './config.ts';

export type GatewayOverrides = {
  readonly clock?: AlarmClock;
  readonly logger?: Logger;
  /** Instead of the reference in the configuration. */
  readonly signingKey?: Uint8Array;
  /** Where references `env:NAME` are looked up. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly loadPlanner?: LoadPlanner;
  /** How often a service must show over a subscription's connection that it is not frozen; 3,000 when left out. */
  readonly lifeSignEveryMs?: number;
  /** Takes each span as it ends, in the place of the configured collector. */
  readonly spanExporter?: SpanExporter;
  /** How long requests in flight may take to finish at a stop. */
  readonly drainMs?: number;
};

/** Below 256 bits an HMAC-SHA-256 key is the weakest part of it. */
const smallestKeyBytes = 32;

export function createGateway(config: GatewayConfig, overrides: GatewayOverrides = {}): Service {
  const logger = overrides.logger ?? createLogger({ service: 'gateway', level: 'info' });
  const clock = overrides.clock ?? systemClock;
  let runtime: Runtime | undefined;
  let server: GatewayServer | undefined;
  let tracing: Tracing = untraced;
  return {
    name: 'gateway',
    async start() {
      const composed = await readFile(config.supergraphFile, 'utf8');
      const supergraphSdl = locateSubgraphs(composed, firstOfEach(config.subgraphs));
      const authenticate = await createAuthentication(config.auth, clock);
      const signingKey = overrides.signingKey ?? (await readSigningKey(config.signingKey, overrides.env ?? {}));
      if (signingKey.byteLength < smallestKeyBytes)
        throw new Error(`gateway.signingKey is shorter than ${smallestKeyBytes} bytes`);
      const planner = await probePlanner(supergraphSdl, logger, overrides.loadPlanner ?? loadRustPlanner);
      const metrics = createMetrics();
      tracing = await openTracing(
        'gateway',
        { exporter: overrides.spanExporter, otlpUrl: config.tracing?.otlpUrl },
        logger,
      );
      const subscriptions = subscriptionEnd(clock);
      runtime = await startRuntime(config, {
        supergraphSdl,
        replicas: createReplicas(config.subgraphs),
        planner,
        signingKey,
        clock,
        logger,
        tracing,
        subscriptions,
        lifeSignEveryMs: overrides.lifeSignEveryMs ?? 3_000,
        onUnavailable: metrics.countUnavailable,
        onInterrupted: metrics.countInterrupted,
      });
      server = await startServer(config.http, {
        runtime,
        authenticate,
        readiness: readinessOf(supergraphSdl, config.subgraphs, () => runtime !== undefined, clock),
        metrics,
        tracing,
        landingPage: config.landingPage,
        endStreams: subscriptions.endAll,
        onError: (error, traceId) => logger.error({ traceId, cause: safeMessage(error) }, 'a request failed'),
      });
      logger.info({ url: server.url }, 'the gateway listens');
      return { url: server.url };
    },
    // Listener first: the runtime takes requests in flight with it.
    async stop() {
      await server?.stop(overrides.drainMs ?? 10_000);
      server = undefined;
      await runtime?.[Symbol.asyncDispose]();
      runtime = undefined;
      await tracing.stop();
    },
  };
}

async function readSigningKey(reference: string, env: NonNullable<GatewayOverrides['env']>): Promise<Uint8Array> {
  const secret = await resolveSecret(reference, { env });
  return Buffer.from(secret, 'utf8');
}
