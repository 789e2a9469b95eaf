import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { ClockControl, ClockRefusal, ClockState } from './clock-control.ts';
import type { FaultRefusal, FaultState, FaultSwitches } from './faults/fault-switches.ts';

// An import would run the getters of all that the module exports, and load the client of WebSockets with it: a fifth of an instance's start.
const { createServer } = process.getBuiltinModule('node:http');

export type ControlOptions = {
  /** 0: any free one. */
  readonly port: number;
  readonly faults: FaultSwitches;
  readonly clock: ClockControl;
  readonly health: () => object;
  readonly statistics: () => object;
};

export type Control = { readonly port: number; close(): Promise<void> };

/** The port beside TDS: what a harness asks about an instance. HTTP on loopback, JSON answers. */
export async function startControl(options: ControlOptions): Promise<Control> {
  const server = createServer((request, response) => {
    // A request that was cut in the middle: nobody is left to be answered.
    answer(request, response, options).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise<void>((resolve, reject) => {
        server.close(error => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, options: ControlOptions): Promise<void> {
  const { clock, faults, health, statistics } = options;
  const path = request.url ?? '';
  const body = await text(request);
  switch (`${request.method ?? ''} ${path}`) {
    case 'GET /health':
      send(response, 200, health());
      return;
    case 'GET /statistics':
      send(response, 200, statistics());
      return;
    case 'GET /clock':
      sendClock(response, clock.state());
      return;
    case 'POST /clock':
      sendClock(response, await clock.change(parsed(body)));
      return;
    case 'GET /faults':
      send(response, 200, { faults: faults.list() });
      return;
    case 'POST /faults':
      sendFault(response, faults.set(parsed(body)));
      return;
  }
  const [, fault] = /^\/faults\/([a-z-]+)$/.exec(path) ?? [];
  if (request.method === 'DELETE' && fault !== undefined) sendFault(response, faults.clear(fault));
  else send(response, 404, { error: { code: 'NO_SUCH_PATH', message: controlPaths.join(', ') } });
}

export const controlPaths = [
  'GET /health',
  'GET /statistics',
  'GET /clock',
  'POST /clock',
  'GET /faults',
  'POST /faults',
  'DELETE /faults/NAME',
] as const;

/** undefined for what is no JSON: no request of ours is that. */
function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function sendFault(response: ServerResponse, answer: FaultState | FaultRefusal): void {
  if ('code' in answer) send(response, 400, { error: answer });
  else send(response, 200, answer);
}

function sendClock(response: ServerResponse, answer: ClockState | ClockRefusal): void {
  if ('code' in answer) send(response, 400, { error: answer });
  else send(response, 200, answer);
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}
