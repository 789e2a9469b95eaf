import { setTimeout as pause } from 'node:timers/promises';
import { createClient, type ExecutionResult } from 'graphql-ws';

export type GatewayError = { readonly message: string; readonly extensions?: Readonly<Record<string, unknown>> };

/** What the gateway is asked over: GraphQL, as any other client. */
export type GatewayClient = {
  /** @throws GatewayFailure with every message when the answer carries errors. */
  ask<Answer>(query: string, variables?: Readonly<Record<string, unknown>>): Promise<Answer>;
  /** States of one thing until `isLast` says so; resolves with that one. */
  follow<Answer>(
    query: string,
    variables: Readonly<Record<string, unknown>>,
    isLast: (answer: Answer) => boolean,
    limitMs: number,
  ): Promise<Answer>;
};

/** Errors in an answer. `retryable`: each of them says that the same may be asked again. */
export class GatewayFailure extends Error {
  override readonly name = 'GatewayFailure';
  readonly retryable: boolean;
  constructor(errors: readonly GatewayError[]) {
    super(errors.map(({ message, extensions }) => `${message} ${JSON.stringify(extensions ?? {})}`).join('\n'));
    this.retryable = errors.every(({ extensions }) => extensions?.['retryable'] === true);
  }
}

type GraphqlAnswer = { readonly data?: unknown; readonly errors?: readonly GatewayError[] };

/** `url` is the GraphQL endpoint; subscriptions go to the same one over WebSocket. */
export function createGatewayClient(url: string, token: string): GatewayClient {
  const authorization = `Bearer ${token}`;
  return {
    async ask<Answer>(query: string, variables: Readonly<Record<string, unknown>> = {}) {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization, connection: 'close' },
        body: JSON.stringify({ query, variables }),
      });
      return dataOf<Answer>((await response.json()) as GraphqlAnswer);
    },
    async follow<Answer>(
      query: string,
      variables: Readonly<Record<string, unknown>>,
      isLast: (answer: Answer) => boolean,
      limitMs: number,
    ) {
      const client = createClient({
        url: url.replace(/^http/, 'ws'),
        webSocketImpl: WebSocket,
        connectionParams: { authorization },
        lazy: true,
      });
      const states = client.iterate({ query, variables: { ...variables } });
      const limit = setTimeout(() => void states.return?.(), limitMs);
      try {
        for await (const state of states) {
          const answer = dataOf<Answer>(state as ExecutionResult & GraphqlAnswer);
          if (isLast(answer)) return answer;
        }
        throw new Error(`The subscription did not reach its end within ${limitMs} ms.`);
      } finally {
        clearTimeout(limit);
        await client.dispose();
      }
    },
  };
}

const retryMs = 100;

/** The same client, but what may be asked again is, for that long: for what has an idempotency key or changes nothing. */
export function askingAgain(client: GatewayClient, forMs: number): Pick<GatewayClient, 'ask'> {
  return {
    async ask<Answer>(query: string, variables?: Readonly<Record<string, unknown>>) {
      const limit = performance.now() + forMs;
      for (;;) {
        try {
          return await client.ask<Answer>(query, variables);
        } catch (error) {
          if (!(error instanceof GatewayFailure && error.retryable) || performance.now() >= limit) throw error;
          await pause(retryMs);
        }
      }
    },
  };
}

function dataOf<Answer>({ data, errors }: GraphqlAnswer): Answer {
  if (errors !== undefined && errors.length > 0) throw new GatewayFailure(errors);
  return data as Answer;
}
