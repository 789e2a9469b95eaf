import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { askingAgain, createGatewayClient, GatewayFailure } from './gateway-client.ts';

const busy = { message: 'The operation took longer than 6000 ms.', extensions: { code: 'TIMEOUT', retryable: true } };
const wrong = { message: 'No such field.', extensions: { code: 'BAD_USER_INPUT', retryable: false } };

/** A gateway that gives these answers one after the other, the last one for ever; and how often it was asked. */
async function gateway<Result>(
  answers: readonly object[],
  work: (url: string, asked: () => number) => Promise<Result>,
): Promise<Result> {
  let asked = 0;
  const server = createServer((_request, response) => {
    const answer = answers[Math.min(asked, answers.length - 1)];
    asked += 1;
    response.end(JSON.stringify(answer));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  try {
    return await work(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}/graphql`, () => asked);
  } finally {
    server.closeAllConnections();
    await new Promise(resolve => server.close(resolve));
  }
}

describe('a client that asks again', () => {
  it('gets its answer once a busy gateway has one', () =>
    gateway([{ errors: [busy] }, { errors: [busy] }, { data: { name: 'Orders' } }], async (url, asked) => {
      const client = askingAgain(createGatewayClient(url, 'token'), 60_000);
      expect(await client.ask('{ name }')).toEqual({ name: 'Orders' });
      expect(asked()).toBe(3);
    }));

  it('does not repeat what would be refused again', () =>
    gateway([{ errors: [busy, wrong] }], async (url, asked) => {
      const client = askingAgain(createGatewayClient(url, 'token'), 60_000);
      await expect(client.ask('{ name }')).rejects.toThrow(GatewayFailure);
      expect(asked()).toBe(1);
    }));

  it('gives up when its time is over, with what was said last', () =>
    gateway([{ errors: [busy] }], async url => {
      const client = askingAgain(createGatewayClient(url, 'token'), 0);
      await expect(client.ask('{ name }')).rejects.toThrow('TIMEOUT');
    }));
});
