import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type ControlOptions = {
  /** 0: any free one. */
  readonly port: number;
  readonly health: () => object;
  readonly statistics: () => object;
};

export type Control = { readonly port: number; close(): Promise<void> };

/** The port beside TDS: what a harness asks about an instance. HTTP on loopback, JSON answers. */
export async function startControl(options: ControlOptions): Promise<Control> {
  const server = createServer((request, response) => answer(request, response, options));
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

function answer(request: IncomingMessage, response: ServerResponse, options: ControlOptions): void {
  request.resume();
  switch (`${request.method ?? ''} ${request.url ?? ''}`) {
    case 'GET /health':
      send(response, 200, options.health());
      return;
    case 'GET /statistics':
      send(response, 200, options.statistics());
      return;
    case 'POST /faults':
      send(response, 501, { error: 'faults are not built yet' });
      return;
    default:
      send(response, 404, { error: 'GET /health, GET /statistics' });
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}
