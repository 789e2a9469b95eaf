import type { GatewayPlugin } from '@graphql-hive/gateway-runtime';
import { signCaller } from '@holdfast/service';
import { print } from 'graphql';
import type { AlarmClock } from './alarm-clock.ts';
import { operationContext } from './session.ts';

/**
 * Puts the signed caller on every request to a subgraph, over HTTP and WebSocket, for both planners (gateway.md §4
 * pitfall 14). The client's own extensions are dropped whole: besides a forged `holdfast` they could carry `endpoint`,
 * `headers` or `connectionParams`, which the runtime's executors obey.
 */
export function callerSignature(key: Uint8Array, clock: AlarmClock): GatewayPlugin {
  return {
    onSubgraphExecute({ subgraphName, executionRequest }) {
      const { session } = operationContext(executionRequest.context);
      if (session === undefined) throw new Error(`a request to the subgraph "${subgraphName}" without a caller`);
      const operation = { query: print(executionRequest.document), variables: executionRequest.variables as unknown };
      executionRequest.extensions = {
        holdfast: signCaller(key, session.caller, subgraphName, operation, clock.now()),
      };
    },
  };
}
