export { brokersOf, startBroker } from './cluster/broker.ts';
export { existingBrokers } from './cluster/existing-brokers.ts';
export { type Cluster, startCluster } from './cluster/cluster.ts';
export { lastingPorts } from './lasting-ports.ts';
export { untilAskedToEnd } from './end.ts';
export { missingForKafka } from './missing-for-kafka.ts';
export { startProcess, type ProcessDefinition, type RunningProcess } from './process.ts';
export { readRunFile, removeRunFile, writeRunFile, type RunFile } from './run-file.ts';
export { writeAnnouncement } from './announcement.ts';
