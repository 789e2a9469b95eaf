import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, it } from '@jest/globals';
import { lastingPorts } from './lasting-ports.ts';

const following = (first: number) => () => first++;

it('gives ports that are free and none twice, below those that systems give by themselves', async () => {
  const ports = await lastingPorts(4);
  expect(new Set(ports).size).toBe(4);
  for (const port of ports) {
    expect(port).toBeGreaterThanOrEqual(20_000);
    expect(port).toBeLessThan(32_768);
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    await once(server.close(), 'close');
  }
});

it('passes over one that is taken, and one that it holds already', async () => {
  const [first = 0] = await lastingPorts(1);
  const taken = createServer().listen(first, '127.0.0.1');
  await once(taken, 'listening');
  try {
    const next = following(first);
    const [port] = await lastingPorts(1, () => next());
    expect(port).toBeGreaterThan(first);
  } finally {
    await once(taken.close(), 'close');
  }
});

it('gives up where nothing is free', async () => {
  const [only = 0] = await lastingPorts(1);
  await expect(lastingPorts(2, () => only)).rejects.toThrow('Too few ports');
});
