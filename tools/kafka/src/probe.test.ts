import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { answersRequests } from './probe.ts';

const servers: Server[] = [];

async function serverThat(answers: (socket: Socket, request: Buffer) => void): Promise<number> {
  const server = createServer(socket => socket.on('data', request => answers(socket, request)));
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const ask = (port: number): Promise<boolean> => answersRequests({ port, ca: undefined });

/** Length, the correlation id of the request, the error code, no versions. */
function answerTo(request: Buffer, errorCode: number): Buffer {
  const answer = Buffer.alloc(14);
  answer.writeInt32BE(10, 0);
  request.copy(answer, 4, 8, 12);
  answer.writeInt16BE(errorCode, 8);
  return answer;
}

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

describe('the question whether a broker answers', () => {
  it('is answered by a broker alone', async () => {
    expect(await ask(await serverThat((socket, request) => socket.write(answerTo(request, 0))))).toBe(true);
    expect(await ask(await serverThat((socket, request) => socket.write(answerTo(request, 35))))).toBe(false);
    expect(await ask(await serverThat(socket => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')))).toBe(false);
    expect(await ask(await serverThat(socket => socket.destroy()))).toBe(false);
    const [closed] = servers;
    const { port } = closed?.address() as AddressInfo;
    closed?.close();
    expect(await ask(port)).toBe(false);
  });
});
