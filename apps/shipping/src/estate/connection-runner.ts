import type { InstanceId } from '@holdfast/domain';
import { type Clock, resolveSecret, SecretError } from '@holdfast/service';
import { traceStatements } from '@holdfast/service/tracing';
import {
  type Exclusive,
  type ExclusiveRefusal,
  openExclusive,
  openServer,
  type SqlServer,
  SqlServerError,
} from '@holdfast/sqlserver';
import { observeServer } from '@holdfast/sqlserver/observe';
import type { Store } from '@holdfast/store';
import type { ShippingTables } from '../tables.ts';
import { findAddress } from './estate-store.ts';

/** No address of the instance has arrived yet. */
export class NotAddressed extends Error {
  override readonly name = 'NotAddressed';
}

export type Connected = { readonly server: SqlServer; readonly productVersion: string; readonly majorVersion: number };
export type Lock = { readonly groupId: string; readonly instanceId: InstanceId };

export type ConnectionOptions = {
  readonly store: Store<ShippingTables>;
  /** Where secret references `env:NAME` are looked up. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly fencingToken: number;
  /** Databases of one instance that are restored at the same time. */
  readonly parallelRestores: number;
};
type Opened = { readonly version: number; readonly connected: Promise<Connected> };
type Opening = Promise<Exclusive | ExclusiveRefusal>;

/**
 * Connections to standby instances: one small pool for looking, opened when first needed, one connection that holds the group's lock as long
 * as we restore there, and beside it one for each database that is being restored. The lock's own sends no RESTORE: a statement that ends its
 * connection must not take the lock from the others. Nothing is retried here: who gets an error says so and looks again.
 */
export class StandbyConnections {
  readonly #options: ConnectionOptions;
  readonly #opened = new Map<InstanceId, Opened>();
  readonly #opening = new Map<string, Opening>();
  readonly #locks = new Map<string, Exclusive>();
  readonly #lines = new Map<string, Lines>();

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** @throws NotAddressed, SecretError, SqlServerError. */
  async to(instanceId: InstanceId): Promise<Connected> {
    const address = await this.#options.store.read(db => findAddress(db, instanceId));
    if (address === undefined) throw new NotAddressed(`no address of instance ${instanceId} has arrived`);
    const before = this.#opened.get(instanceId);
    if (before?.version === address.version) return before.connected;
    if (before !== undefined) await this.#drop(instanceId);
    const connected = this.#open(address);
    this.#opened.set(instanceId, { version: address.version, connected });
    try {
      return await connected;
    } catch (error) {
      this.#opened.delete(instanceId);
      throw error;
    }
  }

  async #open({ address }: NonNullable<Awaited<ReturnType<typeof findAddress>>>): Promise<Connected> {
    const { env, clock } = this.#options;
    const { userRef, passwordRef, ...place } = address;
    const credentials = {
      user: await resolveSecret(userRef, { env }),
      password: await resolveSecret(passwordRef, { env }),
    };
    const applicationName = 'holdfast-shipping';
    const server = traceStatements(await openServer({ address: place, credentials, applicationName, clock }));
    try {
      const { productVersion, majorVersion } = await observeServer(server);
      return { server, productVersion, majorVersion };
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  /** The connection that holds the group's lock at this instance; the same one as long as it lives. */
  async exclusive(lock: Lock): Promise<Exclusive | ExclusiveRefusal> {
    const key = keyOf(lock);
    const held = this.#locks.get(key);
    if (held?.holds() === true) return held;
    // Who comes while it is being taken waits for that: a second attempt would meet the first as a stranger.
    const opening = this.#opening.get(key) ?? this.#take(lock).finally(() => this.#opening.delete(key));
    this.#opening.set(key, opening);
    return opening;
  }

  async #take(lock: Lock): Promise<Exclusive | ExclusiveRefusal> {
    const key = keyOf(lock);
    const lost = this.#locks.get(key);
    this.#locks.delete(key);
    await lost?.release();
    const { server } = await this.to(lock.instanceId);
    const opened = await openExclusive(server, {
      group: lock.groupId,
      fencingToken: String(this.#options.fencingToken),
      purpose: { service: 'shipping', operation: 'stream' },
    });
    if (!('refused' in opened)) this.#locks.set(key, opened);
    return opened;
  }

  /**
   * Work on a connection of its own under the group's lock, when one of the instance's places is free; its connection is closed afterwards.
   * The lock stays, unless the work asks to `leave`: then it goes with the last who works there.
   */
  async beside<Result>(
    lock: Lock,
    work: (line: Exclusive, leave: () => void) => Promise<Result>,
  ): Promise<Result | ExclusiveRefusal> {
    const lines = this.#linesOf(keyOf(lock));
    await lines.enter();
    try {
      const held = await this.exclusive(lock);
      if ('refused' in held) return held;
      const line = await held.beside();
      if ('refused' in line) return line;
      try {
        return await work(line, () => (lines.leaving = true));
      } finally {
        await line.release();
      }
    } finally {
      if (lines.exit() && lines.leaving) {
        lines.leaving = false;
        await this.release(lock);
      }
    }
  }

  #linesOf(key: string): Lines {
    const lines = this.#lines.get(key) ?? new Lines(this.#options.parallelRestores);
    this.#lines.set(key, lines);
    return lines;
  }

  /**
   * Nothing of ours, of an older leader neither, sends anything there any more. Who led before us may have died within a restore, or be frozen
   * before one: taking the lock ends its sessions and sees them gone. @throws what `to` throws, and where a newer leader works.
   */
  async leave(lock: Lock): Promise<void> {
    if (this.#locks.get(keyOf(lock))?.holds() !== true) {
      const opened = await this.exclusive(lock);
      // Another service works there; ours were ended before.
      if ('refused' in opened && opened.refused !== 'LockHeld') throw new Error(opened.message);
    }
    await this.release(lock);
  }

  async release(lock: Lock): Promise<void> {
    const key = keyOf(lock);
    const held = this.#locks.get(key);
    this.#locks.delete(key);
    await held?.release();
  }

  /**
   * After an error that says a connection is gone: everything to the instance is opened anew. While restores are under way there, nothing
   * happens: what is lost for them as well they will say themselves, and a lost look must not end a full of hours.
   */
  async lost(instanceId: InstanceId): Promise<void> {
    const busy = [...this.#lines].some(([key, lines]) => isAt(key, instanceId) && lines.working > 0);
    if (!busy) await this.#drop(instanceId);
  }

  async #drop(instanceId: InstanceId): Promise<void> {
    const opened = this.#opened.get(instanceId);
    this.#opened.delete(instanceId);
    for (const [key, held] of this.#locks) {
      if (!isAt(key, instanceId)) continue;
      this.#locks.delete(key);
      await held.release();
    }
    if (opened === undefined) return;
    const [settled] = await Promise.allSettled([opened.connected]);
    if (settled.status === 'fulfilled') await settled.value.server.close();
  }

  async close(): Promise<void> {
    for (const instanceId of [...this.#opened.keys()]) await this.#drop(instanceId);
  }
}

/** The places at one instance: who finds none waits for the first that gets free. */
class Lines {
  readonly #places: number;
  readonly #waiting: (() => void)[] = [];
  working = 0;
  leaving = false;

  constructor(places: number) {
    this.#places = places;
  }

  async enter(): Promise<void> {
    if (this.working < this.#places) {
      this.working += 1;
      return;
    }
    // Whoever exits hands its place over, so that nobody who comes in between takes it.
    await new Promise<void>(resolve => this.#waiting.push(resolve));
  }

  /** Whether nobody is left. */
  exit(): boolean {
    const next = this.#waiting.shift();
    if (next === undefined) this.working -= 1;
    else next();
    return this.working === 0;
  }
}

/** Why an instance cannot be asked now, for people; undefined for an error that is none of the instance's. */
export function whyNotAsked(error: unknown): string | undefined {
  return error instanceof SqlServerError || error instanceof SecretError || error instanceof NotAddressed
    ? error.message
    : undefined;
}

/** Whether the connection it came over is of no more use. */
export function isLost(error: unknown): boolean {
  return error instanceof SqlServerError && (error.errorClass === 'lost' || error.errorClass === 'login');
}

function isAt(key: string, instanceId: InstanceId): boolean {
  return key.endsWith(`/${instanceId}`);
}

function keyOf({ groupId, instanceId }: Lock): string {
  return `${groupId}/${instanceId}`;
}
