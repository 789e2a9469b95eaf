import type { InstanceId } from '@holdfast/domain';
import { type Clock, resolveSecret, SecretError } from '@holdfast/service';
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
};
type Opened = { readonly version: number; readonly connected: Promise<Connected> };

/**
 * Connections to standby instances: one small pool for looking, opened when first needed, and one connection that holds the group's lock
 * while we restore. Nothing is retried here: who gets an error drops the instance and looks again.
 */
export class StandbyConnections {
  readonly #options: ConnectionOptions;
  readonly #opened = new Map<InstanceId, Opened>();
  readonly #locks = new Map<string, Exclusive>();

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** @throws NotAddressed, SecretError, SqlServerError. */
  async to(instanceId: InstanceId): Promise<Connected> {
    const address = await this.#options.store.read(db => findAddress(db, instanceId));
    if (address === undefined) throw new NotAddressed(`no address of instance ${instanceId} has arrived`);
    const before = this.#opened.get(instanceId);
    if (before?.version === address.version) return before.connected;
    if (before !== undefined) await this.drop(instanceId);
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
    const server = await openServer({ address: place, credentials, applicationName: 'holdfast-shipping', clock });
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
    if (held?.holds()) return held;
    this.#locks.delete(key);
    const { server } = await this.to(lock.instanceId);
    const opened = await openExclusive(server, {
      group: lock.groupId,
      fencingToken: String(this.#options.fencingToken),
      purpose: { service: 'shipping', operation: 'stream' },
    });
    if (!('refused' in opened)) this.#locks.set(key, opened);
    return opened;
  }

  holds(lock: Lock): boolean {
    return this.#locks.get(keyOf(lock))?.holds() === true;
  }

  async release(lock: Lock): Promise<void> {
    const key = keyOf(lock);
    const held = this.#locks.get(key);
    this.#locks.delete(key);
    await held?.release();
  }

  /** After an error that says the connection is gone, or when the address changed. */
  async drop(instanceId: InstanceId): Promise<void> {
    const opened = this.#opened.get(instanceId);
    this.#opened.delete(instanceId);
    for (const [key, held] of this.#locks) {
      if (!key.endsWith(`/${instanceId}`)) continue;
      this.#locks.delete(key);
      await held.release();
    }
    if (opened === undefined) return;
    const [settled] = await Promise.allSettled([opened.connected]);
    if (settled.status === 'fulfilled') await settled.value.server.close();
  }

  async close(): Promise<void> {
    for (const instanceId of [...this.#opened.keys()]) await this.drop(instanceId);
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

function keyOf({ groupId, instanceId }: Lock): string {
  return `${groupId}/${instanceId}`;
}
