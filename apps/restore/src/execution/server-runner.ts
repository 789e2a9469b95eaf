/**
 * Connections for looking, one small pool for each instance, kept between the looks of an execution: to connect takes longer than to look.
 * Invariant: nothing rests on one that is kept. What may change a database goes out on a connection of its own (instance-runner.ts), and after
 * any error, or with another address, the next one to ask connects anew. It is closed when the last who works with it has gone, because what
 * was opened with it ends with it.
 */
import type { InstanceId } from '@holdfast/domain';
import type { SqlServer } from '@holdfast/sqlserver';
import type { AddressView } from '../estate/estate.ts';

type Kept = { readonly address: string; readonly server: Promise<SqlServer>; users: number; isStale: boolean };

export class KeptServers {
  readonly #connect: (view: AddressView) => Promise<SqlServer>;
  readonly #kept = new Map<InstanceId, Kept>();

  constructor(connect: (view: AddressView) => Promise<SqlServer>) {
    this.#connect = connect;
  }

  async using<Result>(
    instanceId: InstanceId,
    view: AddressView,
    work: (server: SqlServer) => Promise<Result>,
  ): Promise<Result> {
    const address = JSON.stringify(view);
    const known = this.#kept.get(instanceId);
    const kept = known?.address === address && !known.isStale ? known : this.#open(instanceId, view, address);
    kept.users += 1;
    try {
      if (known !== undefined && known !== kept) await this.#giveUp(instanceId, known);
      return await work(await kept.server);
    } catch (error) {
      kept.isStale = true;
      throw error;
    } finally {
      kept.users -= 1;
      if (kept.isStale) await this.#giveUp(instanceId, kept);
    }
  }

  #open(instanceId: InstanceId, view: AddressView, address: string): Kept {
    const kept: Kept = { address, server: this.#connect(view), users: 0, isStale: false };
    // Its failure is for those who use it.
    kept.server.catch(() => undefined);
    this.#kept.set(instanceId, kept);
    return kept;
  }

  /** Nobody comes to it any more. */
  async #giveUp(instanceId: InstanceId, kept: Kept): Promise<void> {
    kept.isStale = true;
    if (this.#kept.get(instanceId) === kept) this.#kept.delete(instanceId);
    if (kept.users > 0) return;
    const [opened] = await Promise.allSettled([kept.server]);
    if (opened.status === 'fulfilled') await opened.value.close();
  }

  /** Once nobody works with them any more. */
  async close(): Promise<void> {
    for (const [instanceId, kept] of this.#kept) await this.#giveUp(instanceId, kept);
  }
}
