import type { Bench } from './bench.ts';
import { copyBench } from './benches/copy.ts';
import { eventsBench } from './benches/events.ts';
import { failoverBench } from './benches/failover.ts';
import { gatewayBench } from './benches/gateway.ts';
import { latencyBench } from './benches/latency.ts';
import { shippingBench } from './benches/shipping.ts';
import { startBench } from './benches/start.ts';

/** Every performance figure, in the order of the table. */
export const benches: readonly Bench[] = [
  eventsBench,
  latencyBench,
  failoverBench,
  shippingBench,
  copyBench,
  startBench,
  gatewayBench,
];
