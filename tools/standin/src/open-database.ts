import type { Database } from './contract.ts';
import { fail } from './messages.ts';

/** Only an open database can be entered, read or written (sqlserver.md §1.4, §9.2). */
export function assertOpen({ state, name }: Pick<Database, 'state' | 'name'>): void {
  switch (state) {
    case 'ONLINE':
    case 'EMERGENCY':
      return;
    case 'RESTORING':
      throw fail(927, name);
    case 'OFFLINE':
      throw fail(942, name);
    case 'RECOVERING':
      throw fail(922, name);
    case 'SUSPECT':
      throw fail(926, name);
    case 'RECOVERY_PENDING':
      throw fail(945, name);
  }
}
