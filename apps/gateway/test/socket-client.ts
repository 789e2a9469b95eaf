import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { ShownError } from './estate.ts';

export type Received = { data?: Record<string, unknown> | null; errors?: ShownError[] };
export type Finished = {
  readonly received: readonly Received[];
  readonly closed?: { code: number; reason: string } | undefined;
};
export type Subscription = { readonly received: Received[]; readonly finished: Promise<Finished>; stop(): void };

/** A portal's WebSocket. */
export function openSocket(
  url: string,
  authorization?: string,
): {
  subscribe(query: string, extensions?: object): Subscription;
  /** Reads nothing more, as a client does that hangs. */
  pause(): void;
  resume(): void;
  close(): Promise<void>;
} {
  let socket: WebSocket | undefined;
  const client = createClient({
    url: url.replace(/^http/, 'ws'),
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    lazy: false,
    onNonLazyError: () => undefined,
    on: { opened: opened => (socket = opened as WebSocket) },
    ...(authorization === undefined ? {} : { connectionParams: { authorization } }),
  });
  return {
    subscribe(query, extensions) {
      const received: Received[] = [];
      let stop = (): void => undefined;
      const finished = new Promise<Finished>(resolve => {
        stop = client.subscribe(
          { query, ...(extensions === undefined ? {} : { extensions: extensions as Record<string, unknown> }) },
          {
            next: result => received.push(result as Received),
            error(error) {
              if (Array.isArray(error)) received.push({ errors: error });
              resolve({ received, closed: error as { code: number; reason: string } });
            },
            complete: () => resolve({ received }),
          },
        );
      });
      return { received, finished, stop: () => stop() };
    },
    pause: () => socket?.pause(),
    resume: () => socket?.resume(),
    close: async () => client.dispose(),
  };
}
