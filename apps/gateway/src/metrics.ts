import { Counter, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

export type GatewayMetrics = {
  readonly registry: Registry;
  readonly observeRequest: (status: number, seconds: number) => void;
  readonly countUnavailable: (service: string) => void;
  readonly countInterrupted: (service: string) => void;
};

export function createMetrics(): GatewayMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const requests = new Histogram({
    name: 'holdfast_gateway_request_seconds',
    help: 'HTTP requests to the GraphQL endpoint, from the head of the request to the end of the answer',
    labelNames: ['status'],
    registers: [registry],
  });
  const unavailable = new Counter({
    name: 'holdfast_gateway_subgraph_unavailable_total',
    help: 'Requests that a subgraph did not answer',
    labelNames: ['service'],
    registers: [registry],
  });
  const interrupted = new Counter({
    name: 'holdfast_gateway_subscription_interruptions_total',
    help: 'Live subscriptions that lost the replica behind them, whether they could be resumed or not',
    labelNames: ['service'],
    registers: [registry],
  });
  return {
    registry,
    observeRequest: (status, seconds) => requests.observe({ status }, seconds),
    countUnavailable: service => unavailable.inc({ service }),
    countInterrupted: service => interrupted.inc({ service }),
  };
}
