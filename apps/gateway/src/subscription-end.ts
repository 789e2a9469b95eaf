import type { GatewayPlugin } from '@graphql-hive/gateway-runtime';
import { type ExecutionResult, GraphQLError } from 'graphql';
import type { AlarmClock } from './alarm-clock.ts';
import { operationContext } from './session.ts';
import { endableStream, isResultStream } from './streams.ts';

export type SubscriptionEnd = {
  readonly plugin: GatewayPlugin; /** Resolves when every reader has taken its last result. */
  readonly endAll: () => Promise<void>;
};

/** Ends each running subscription, over SSE and WebSocket, when its caller's token does, and all of them at shutdown. */
export function subscriptionEnd(clock: AlarmClock): SubscriptionEnd {
  const running = new Set<(last: ExecutionResult) => Promise<void>>();
  const plugin: GatewayPlugin = {
    onExecutionResult(hook) {
      const { result, context } = hook;
      const { session } = operationContext(context);
      if (!isResultStream(result) || session === undefined) return;
      const { stream, end } = endableStream(result, () => {
        running.delete(end);
        cancel();
      });
      running.add(end);
      const cancel = clock.at(session.expiresAtMs, () => {
        void end(lastResult('UNAUTHENTICATED', 'The token has expired.', false));
      });
      hook.setResult(stream);
    },
  };
  return {
    plugin,
    async endAll() {
      const fix = 'Subscribe again after the last version you have seen.';
      const last = lastResult('SHUTTING_DOWN', 'The gateway is stopping.', true, fix);
      await Promise.all([...running].map(end => end(last)));
    },
  };
}

function lastResult(code: string, message: string, retryable: boolean, fix?: string): ExecutionResult {
  const extensions = { code, retryable, ...(fix === undefined ? {} : { fix }) };
  return { errors: [new GraphQLError(message, { extensions })] };
}
