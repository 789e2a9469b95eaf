import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';

export type Target = { readonly url: string; readonly headers: Readonly<Record<string, string>> };

/** @throws Error when the answer is not 200. */
export function post({ url, headers }: Target, body: string, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const length = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
    const asked = request(url, { method: 'POST', agent, headers: { ...length, ...headers } }, response => {
      text(response).then(answer => {
        if (response.statusCode === 200) resolve(answer);
        else reject(new Error(`${url} answered ${response.statusCode ?? 0}: ${answer.slice(0, 500)}`));
      }, reject);
    });
    asked.once('error', reject);
    asked.end(body);
  });
}

/**
 * Sends the bodies in turn over so many connections, each with one request under way, for so long and until so many are sent. Answers each
 * request's milliseconds.
 */
export async function load(
  target: Target,
  bodies: readonly string[],
  {
    connections,
    milliseconds,
    requests = 0,
  }: { readonly connections: number; readonly milliseconds: number; readonly requests?: number },
): Promise<{ readonly latenciesMs: readonly number[]; readonly seconds: number }> {
  const latenciesMs: number[] = [];
  // Of this load alone: a server closes connections that rest between two of them.
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  let next = 0;
  const startedAt = performance.now();
  const worker = async (): Promise<void> => {
    while (next < requests || performance.now() - startedAt < milliseconds) {
      const body = bodies[next++ % bodies.length] ?? '';
      const sentAt = performance.now();
      await post(target, body, agent);
      latenciesMs.push(performance.now() - sentAt);
    }
  };
  try {
    await Promise.all(Array.from({ length: connections }, worker));
    return { latenciesMs, seconds: (performance.now() - startedAt) / 1_000 };
  } finally {
    agent.destroy();
  }
}
