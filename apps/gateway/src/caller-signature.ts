import type { GatewayPlugin } from '@graphql-hive/gateway-runtime';
import { signCaller } from '@holdfast/service';
import type { AlarmClock } from './alarm-clock.ts';
import { documentText } from './document-text.ts';
import { operationContext } from './session.ts';
import type { SubgraphRequest } from './subgraph-transport.ts';

/**
 * The client's own extensions are dropped whole: besides a forged `holdfast` they could carry `endpoint`, `headers` or
 * `connectionParams`, which the runtime's executors obey.
 */
export const clientExtensions: GatewayPlugin = {
  onSubgraphExecute({ executionRequest }) {
    executionRequest.extensions = {};
  },
};

/**
 * The extensions of a request to a subgraph with the signed caller, over HTTP and WebSocket, for both planners (gateway.md §4 pitfall 14).
 * For each try anew, over what that try sends.
 */
export function callerSignature(key: Uint8Array, clock: AlarmClock) {
  return ({ document, variables, extensions, context }: SubgraphRequest, service: string): object => {
    const { session } = operationContext(context);
    if (session === undefined) throw new Error(`a request to the subgraph "${service}" without a caller`);
    const operation = { query: documentText(document), variables };
    const holdfast = signCaller(key, session.caller, service, operation, clock.now());
    return { ...(extensions as object | undefined), holdfast };
  };
}
