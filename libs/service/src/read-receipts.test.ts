import { EventEmitter } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { readAtSocketPace } from './read-receipts.ts';

class Socket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  readonly pings: string[] = [];
  ping(payload: string): void {
    this.pings.push(payload);
  }
  answer(payload: string): void {
    this.emit('pong', Buffer.from(payload));
  }
}

/** Counts up without end, and how far it was asked to. */
function counting() {
  const source = {
    asked: 0,
    hasReturned: false,
    next: async () => {
      source.asked += 1;
      return { done: false, value: source.asked } as const;
    },
    return: async () => {
      source.hasReturned = true;
      return { done: true, value: undefined } as const;
    },
  };
  return source;
}

const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

describe('a stream read at the pace of its socket', () => {
  it('asks for the next result when the one before was read', async () => {
    const socket = new Socket();
    const source = counting();
    const stream = readAtSocketPace(source, socket);
    expect(await stream.next()).toEqual({ done: false, value: 1 });
    const second = stream.next();
    await settled();
    // graphql-ws's own ping, and an answer to nothing, are no receipts.
    socket.answer('');
    socket.answer('hello');
    await settled();
    expect([source.asked, socket.pings]).toEqual([1, ['1']]);
    socket.answer('1');
    expect(await second).toEqual({ done: false, value: 2 });
  });

  it('takes one answer for all pings before it, of every stream on the socket', async () => {
    const socket = new Socket();
    const streams = [readAtSocketPace(counting(), socket), readAtSocketPace(counting(), socket)];
    await Promise.all(streams.map(stream => stream.next()));
    const seconds = streams.map(stream => stream.next());
    await settled();
    expect(socket.pings).toEqual(['1', '2']);
    socket.answer('2');
    expect(await Promise.all(seconds)).toEqual([
      { done: false, value: 2 },
      { done: false, value: 2 },
    ]);
  });

  it('ends at return and at the close of the socket, though nothing was read', async () => {
    const socket = new Socket();
    const [left, closed] = [counting(), counting()];
    const streams = [readAtSocketPace(left, socket), readAtSocketPace(closed, socket)] as const;
    await Promise.all(streams.map(stream => stream.next()));
    const seconds = streams.map(stream => stream.next());
    await settled();
    expect(await streams[0].return(undefined)).toEqual({ done: true, value: undefined });
    expect(await seconds[0]).toEqual({ done: true, value: undefined });
    expect([left.asked, left.hasReturned]).toEqual([1, true]);
    socket.readyState = 3;
    socket.emit('close');
    // Whether a closed socket's stream goes on is for the server that serves it.
    expect(await seconds[1]).toEqual({ done: false, value: 2 });
    expect(await streams[1].next()).toEqual({ done: false, value: 3 });
  });
});
