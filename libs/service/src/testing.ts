import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import type { Clock } from './clock.ts';
import { signCaller, type Caller } from './identity.ts';

export type SignedClientOptions = {
  /** As `startSubgraph` gives it. */
  readonly url: string;
  readonly key: Uint8Array;
  readonly subgraph: string;
  readonly caller: Caller;
  readonly clock?: Clock;
  /** Sent with every operation over HTTP, as the gateway does. */
  readonly traceparent?: string;
};

export type GraphqlAnswer = {
  readonly data?: Record<string, unknown> | null;
  readonly errors?: readonly {
    readonly message: string;
    readonly path?: readonly (string | number)[];
    readonly extensions?: Readonly<Record<string, unknown>>;
  }[];
};

export type SignedClient = {
  query(text: string, variables?: Record<string, unknown>): Promise<GraphqlAnswer & { readonly status: number }>;
  /** Ends when the subgraph completes it or the caller stops iterating; throws what the subgraph answers as an error. */
  subscribe(text: string, variables?: Record<string, unknown>): AsyncGenerator<GraphqlAnswer, void, void>;
  close(): Promise<void>;
};

/** Speaks to one subgraph as the gateway does: every operation signed for it, over HTTP and graphql-ws. */
export function signedClient(options: SignedClientOptions): SignedClient {
  const { url, key, subgraph, caller, clock = Date.now, traceparent } = options;
  const sockets = createClient({
    url: url.replace(/^http/, 'ws'),
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    lazy: true,
  });
  const signed = (query: string, variables: Record<string, unknown>) => ({
    query,
    variables,
    extensions: { holdfast: signCaller(key, caller, subgraph, { query, variables }, clock()) },
  });
  return {
    query: async (text, variables = {}) => {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', connection: 'close', ...(traceparent && { traceparent }) },
        body: JSON.stringify(signed(text, variables)),
      });
      return { ...((await response.json()) as GraphqlAnswer), status: response.status };
    },
    subscribe: async function* (text, variables = {}) {
      for await (const answer of sockets.iterate(signed(text, variables))) yield answer as GraphqlAnswer;
    },
    close: async () => {
      await sockets.dispose();
    },
  };
}
