/**
 * One process of a service, in this process: it can be ended at an instant, as kill -9 would end it for all that is outside. From then on
 * nothing of it passes a checkpoint, begins or commits a transaction, or keeps a connection; what it awaits never comes, so that no
 * `finally` of it tidies up either.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Store } from '@holdfast/store';

const own = new AsyncLocalStorage<InProcess>();

// A dead process has no timers: none of its own fires, or keeps the real process.
globalThis.setTimeout = owned(setTimeout);
globalThis.setInterval = owned(setInterval);

function owned<Start extends typeof setTimeout | typeof setInterval>(start: Start): Start {
  return new Proxy(start, {
    apply: (target, self, given) => {
      const timer = Reflect.apply(target as (...given: unknown[]) => NodeJS.Timeout, self, given);
      own.getStore()?.ownsTimer(timer);
      return timer;
    },
  });
}

subscribe('net.client.socket', message => {
  own.getStore()?.owns((message as { readonly socket: Socket }).socket);
});

/** Transactions that were under way come to their end, which is a rollback; how long that may take. */
const quietMs = 500;

export class InProcess {
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #stores = new Set<{ readonly busy: Set<Promise<unknown>>; readonly close: () => Promise<void> }>();
  readonly #frozen = new Set<(reason: Error) => void>();
  #dead = false;
  #isBuried = false;

  isDead(): boolean {
    return this.#dead;
  }

  /** All that `work` starts belongs to it. */
  run<T>(work: () => Promise<T>): Promise<T> {
    return own.run(this, work);
  }

  ownsTimer(timer: NodeJS.Timeout): void {
    if (this.#dead) clearTimeout(timer);
    else this.#timers.add(timer);
  }

  owns(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    // Not before it has listeners, who must not hear of it.
    if (this.#dead) setImmediate(() => cut(socket));
  }

  /** Goes no further once it is dead. */
  async alive<T>(value: T): Promise<T> {
    return this.#dead ? this.freeze() : value;
  }

  /** Where one that is dead would go on: nothing follows before it is buried. */
  freeze(): Promise<never> {
    if (this.#isBuried) return Promise.reject(gone());
    const { promise, reject } = Promise.withResolvers<never>();
    this.#frozen.add(reject);
    return promise;
  }

  /** Once nobody looks at what it did: what is frozen ends, so that its file handles do not stay in the real process. */
  bury(): void {
    this.#isBuried = true;
    for (const reject of this.#frozen) reject(gone());
    this.#frozen.clear();
  }

  /** The same store, which only works as long as this lives. */
  holds<DB>(store: Store<DB>): Store<DB> {
    const busy = new Set<Promise<unknown>>();
    this.#stores.add({ busy, close: () => store.close() });
    const during = async <T>(work: () => Promise<T>): Promise<T> => {
      await this.alive(undefined);
      const working = work();
      busy.add(working);
      try {
        return await this.alive(await working);
      } catch (error) {
        await this.alive(undefined);
        throw error;
      } finally {
        busy.delete(working);
      }
    };
    return {
      read: work => during(() => store.read(work)),
      transaction: work =>
        during(() =>
          store.transaction(async tx => {
            const result = await work(tx);
            if (this.#dead) throw gone();
            return result;
          }),
        ),
      afterCommit: listener => store.afterCommit(listener),
      close: () => store.close(),
    };
  }

  /** @returns once nothing of it can be seen from outside any more. */
  async kill(): Promise<void> {
    this.#dead = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    for (const socket of this.#sockets) cut(socket);
    this.#sockets.clear();
    for (const { busy, close } of this.#stores) {
      await Promise.race([Promise.allSettled(busy), pause(quietMs, undefined, { ref: false })]);
      await close();
    }
  }
}

/** Nobody here hears of it: a driver that did would still act on it, and what it answers its callers is nobody's any more. */
function cut(socket: Socket): void {
  socket.removeAllListeners();
  socket.on('error', () => undefined);
  socket.destroy();
}

function gone(): Error {
  return new Error('This process is gone.');
}
