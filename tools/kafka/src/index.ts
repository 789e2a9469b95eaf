export { type Broker, type BrokerFacts, type BrokerOptions, startBroker } from './broker.ts';
export { type BrokerStatus, readStatus } from './detached.ts';
export { KafkaError, type KafkaErrorCode } from './errors.ts';
export { install } from './installation.ts';
export { installCommand } from './java.ts';
export type { BrokerEnd } from './launch.ts';
export type { Security } from './properties.ts';
