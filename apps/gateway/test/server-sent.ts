export type ServerSentEvent = { readonly id?: string | undefined; readonly data: Record<string, unknown> };
export type ServerSent = {
  readonly status: number;
  readonly events: ServerSentEvent[];
  readonly finished: Promise<void>;
  leave(): void;
};

/** A subscription over SSE, the way a browser without WebSocket reads it. */
export async function serverSent(
  url: string,
  authorization: string,
  body: object,
  headers: Record<string, string> = {},
): Promise<ServerSent> {
  const leaving = new AbortController();
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization, ...headers },
    body: JSON.stringify(body),
    signal: leaving.signal,
  });
  const events: ServerSentEvent[] = [];
  const read = async (): Promise<void> => {
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      const parts = text.split('\n\n');
      text = parts.pop() ?? '';
      for (const part of parts) {
        const data = /^data: (.+)$/m.exec(part)?.[1];
        if (data === undefined) continue;
        events.push({ id: /^id: (.+)$/m.exec(part)?.[1], data: JSON.parse(data) as Record<string, unknown> });
      }
    }
  };
  const finished = read().catch((error: unknown) => {
    if (!leaving.signal.aborted) throw error;
  });
  return { status: response.status, events, finished, leave: () => leaving.abort() };
}
