import { setTimeout as pause } from 'node:timers/promises';

/** A client that follows one thing as the gateway's README says: it comes back with the last version it has seen. */
export type Watcher = {
  /** Of every state that was delivered, in order. */
  readonly versions: number[];
  /** How often it had to subscribe. */
  subscribed(): number;
  /** Why its subscriptions ended. */
  readonly endings: string[];
  stop(): Promise<void>;
};

export type Watched = {
  readonly url: string;
  readonly token: string;
  /** With a variable `$after: Int`, selecting `version` under the field `field`. */
  readonly query: string;
  readonly field: string;
};

type Result = {
  readonly data?: Readonly<Record<string, { readonly version: number } | null>> | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: Readonly<Record<string, unknown>> }[];
};

/** One subscription, from its begin to its end: resolves with why it ended. */
type Subscribe = (
  watched: Watched,
  after: number | null,
  onResult: (result: Result) => void,
  signal: AbortSignal,
) => Promise<string>;

export const transports = { 'graphql-ws': overSocket, 'Server-Sent Events': overEvents } as const;

export function watch(watched: Watched, subscribe: Subscribe): Watcher {
  const stopping = new AbortController();
  const versions: number[] = [];
  const endings: string[] = [];
  let subscribed = 0;
  const isStopped = (): boolean => stopping.signal.aborted;
  const run = async (): Promise<void> => {
    while (!isStopped()) {
      subscribed += 1;
      const onResult = ({ data, errors }: Result): void => {
        const state = data?.[watched.field];
        if (state) versions.push(state.version);
        for (const error of errors ?? []) endings.push(`${error.message} ${JSON.stringify(error.extensions)}`);
      };
      endings.push(await subscribe(watched, versions.at(-1) ?? null, onResult, stopping.signal));
      if (!isStopped()) await pause(100);
    }
  };
  const done = run();
  return {
    versions,
    subscribed: () => subscribed,
    endings,
    async stop() {
      stopping.abort();
      await done;
    },
  };
}

/** graphql-transport-ws by hand, on the WebSocket that Node and browsers have. */
async function overSocket(
  { url, token, query }: Watched,
  after: number | null,
  onResult: (result: Result) => void,
  signal: AbortSignal,
): Promise<string> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), 'graphql-transport-ws');
  const ended = Promise.withResolvers<string>();
  const send = (message: object): void => socket.send(JSON.stringify(message));
  const leave = (): void => socket.close(1000);
  signal.addEventListener('abort', leave, { once: true });
  socket.onopen = () => send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
  socket.onclose = ({ code }) => ended.resolve(`closed ${code}`);
  socket.onerror = () => undefined;
  socket.onmessage = ({ data }) => {
    const { type, payload } = JSON.parse(String(data)) as { type: string; payload?: unknown };
    if (type === 'connection_ack') send({ type: 'subscribe', id: '1', payload: { query, variables: { after } } });
    else if (type === 'ping') send({ type: 'pong' });
    else if (type === 'next') onResult(payload as Result);
    else if (type === 'error') onResult({ errors: payload as NonNullable<Result['errors']> });
    if (type === 'error' || type === 'complete') socket.close(1000);
  };
  const why = await ended.promise;
  signal.removeEventListener('abort', leave);
  return why;
}

async function overEvents(
  { url, token, query }: Watched,
  after: number | null,
  onResult: (result: Result) => void,
  signal: AbortSignal,
): Promise<string> {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: 'text/event-stream',
    authorization: `Bearer ${token}`,
  };
  // As the protocol itself resumes; the argument would do as well.
  if (after !== null) headers['last-event-id'] = String(after);
  try {
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query }), signal });
    let text = '';
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const events = (text + chunk).split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) {
        const data = /^event: next\ndata: (.*)$/m.exec(event)?.[1];
        if (data !== undefined) onResult(JSON.parse(data) as Result);
      }
    }
    return `ended with status ${response.status}`;
  } catch (error) {
    // The gateway was killed, is not there yet, or we have left.
    return Error.isError(error) ? error.message : String(error);
  }
}
