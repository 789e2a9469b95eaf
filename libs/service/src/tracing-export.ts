import { resourceFromAttributes } from '@opentelemetry/resources';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  SimpleSpanProcessor,
  type SpanExporter,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { Logger } from './logger.ts';
import { safeMessage } from './safe-message.ts';
import type { Tracing } from './tracing.ts';

/** How long a collector may take for one batch, the last one at a stop included. */
const exportLimitMs = 3_000;

/** Spans to a collector, in batches; what it does not take is dropped, and said once until it takes some again. */
export function exportByOtlp(service: string, url: string, logger: Logger): Tracing {
  const exporter = told(new OTLPTraceExporter({ url, timeoutMillis: exportLimitMs }), logger);
  const limits = { exportTimeoutMillis: exportLimitMs };
  return tracingOver(service, new BatchSpanProcessor({ exporter, ...limits }));
}

/** Spans to an exporter as they end. */
export function exportTo(service: string, exporter: SpanExporter): Tracing {
  return tracingOver(service, new SimpleSpanProcessor({ exporter }));
}

function tracingOver(service: string, processor: BatchSpanProcessor | SimpleSpanProcessor): Tracing {
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.namespace': 'holdfast', 'service.name': service }),
    // Who asked us not to record has a reason.
    sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    spanProcessors: [processor],
  });
  // It rejects with what the last batch failed with, and that was told when it happened.
  return { tracer: provider.getTracer('holdfast'), stop: () => provider.shutdown().catch(() => undefined) };
}

function told(exporter: SpanExporter, logger: Logger): SpanExporter {
  let failing = false;
  return {
    export: (spans, answer) =>
      exporter.export(spans, result => {
        const failed = result.error !== undefined;
        if (failed && !failing)
          logger.warn({ cause: safeMessage(result.error) }, 'the collector does not take our spans; they are dropped');
        failing = failed;
        answer(result);
      }),
    shutdown: () => exporter.shutdown(),
    ...(exporter.forceFlush === undefined ? {} : { forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve() }),
  };
}
