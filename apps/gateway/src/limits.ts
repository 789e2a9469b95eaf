import { maxDepthPlugin } from '@escape.tech/graphql-armor-max-depth';
import { maxTokensPlugin } from '@escape.tech/graphql-armor-max-tokens';
import type { GatewayPlugin } from '@graphql-hive/gateway-runtime';
import { GraphQLError, type ValidationContext } from 'graphql';
import type { GatewayConfig } from './config.ts';

/** How many operations one HTTP request may carry. */
export const batchLimit = 10;

/** Refuses operations that are too long to parse or too deep to plan, by the name of the limit. */
export function operationLimits({ maxDepth, maxTokens }: GatewayConfig['limits']): GatewayPlugin[] {
  const tokens = maxTokensPlugin({
    n: maxTokens,
    onReject: [
      () => {
        throw limitError(`The operation is longer than ${maxTokens} tokens.`, 'Ask for less, or in several requests.');
      },
    ],
  });
  const depth = maxDepthPlugin({
    n: maxDepth,
    propagateOnRejection: false,
    onReject: [
      (context: ValidationContext | null) =>
        context?.reportError(limitError(`The operation is deeper than ${maxDepth} levels.`, 'Ask for fewer levels.')),
    ],
  });
  // Written for the plugin system below the runtime's, whose context is a smaller one.
  return [tokens, depth] as unknown as GatewayPlugin[];
}

function limitError(message: string, fix: string): GraphQLError {
  return new GraphQLError(message, {
    extensions: { code: 'LIMIT_EXCEEDED', retryable: false, fix, http: { status: 400 } },
  });
}
