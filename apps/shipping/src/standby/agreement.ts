import { shippingReason, type ShippingReason } from './reason.ts';
import type { Standby, StandbyState } from './standby.ts';

export type Agreement = {
  /** null: nobody can say. */
  readonly agrees: boolean | null;
  readonly differences: readonly ShippingReason[];
  readonly cheapestRepair: ShippingReason | null;
};

const unknown: Agreement = { agrees: null, differences: [], cheapestRepair: null };

/**
 * Whether its instances can still be brought to one mark, as the last assessment found it (design.md §5, "Compare"). `state` is the one that
 * is shown: what nobody has confirmed for long says nothing here either. `damaged`: databases before a backup that cannot be restored.
 */
export function agreementOf(
  state: StandbyState,
  { reasons, newestCommonMark }: Pick<Standby, 'reasons' | 'newestCommonMark'>,
  damaged: readonly string[] = [],
): Agreement {
  // No later log leads past a log that cannot be restored.
  const reseed = damaged.length === 0 ? null : shippingReason('RESEED', { databases: damaged.join(', ') });
  switch (state) {
    case 'NO_COMMON_MARK':
      return {
        agrees: false,
        differences: reasons.filter(({ code }) => code === 'NO_COMMON_MARK'),
        // Whoever is ahead stands within a log; the next mark comes after it in all of them.
        cheapestRepair: reseed ?? shippingReason('NEXT_LOG_SET'),
      };
    case 'IN_SYNC':
    case 'LAGGING':
    case 'BLOCKED':
      return { ...unknown, agrees: newestCommonMark === null ? null : true, cheapestRepair: reseed };
    case 'SEEDING':
    case 'REPAIRING':
    case 'PAUSED':
    case 'YIELDED':
    case 'RECOVERED':
    case 'UNKNOWN':
      return unknown;
  }
}
