/** What a subgraph's resolvers and composition root need: the server, errors, paging, scalars. */
export { connection, pageArguments, type Connection, type CursorKey, type Page } from './connection.ts';
export { apiError, errorCodes, type ApiErrorDetails, type ErrorCode } from './errors.ts';
export { observationOf, type Freshness, type Observation } from './observation.ts';
export { requireId, requireRead } from './reading.ts';
export { rowLoader } from './row-loader.ts';
export { durationFromSeconds, scalarResolvers } from './scalars.ts';
export { startSubgraph, type OperationContext, type RunningSubgraph, type SubgraphOptions } from './subgraph-server.ts';
