import * as backup from './backup.ts';
import type { EventContract } from './contract.ts';
import * as deadLetter from './dead-letter.ts';
import * as inventory from './inventory.ts';
import * as restore from './restore.ts';
import * as shipping from './shipping.ts';

/** Every event that exists, found in the publishers' files: a new contract is in the list by being there. */
export const allContracts: readonly EventContract<never>[] = [inventory, backup, shipping, restore, deadLetter].flatMap(
  file => Object.values<unknown>(file).filter(isContract),
);

function isContract(value: unknown): value is EventContract<never> {
  return typeof value === 'object' && value !== null && 'type' in value && 'topic' in value && 'schema' in value;
}
