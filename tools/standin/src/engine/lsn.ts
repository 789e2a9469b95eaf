/** Log sequence numbers: VLF × 10^15 + block × 10^5 + slot (sqlserver.md §2.6). */
import type { Lsn } from '../contract.ts';

const vlfUnit = 10n ** 15n;
const blockUnit = 10n ** 5n;
/** Blocks of one VLF before the next one begins: 64 MB in 512-byte sectors. Freely chosen; real sizes depend on the file's growth. */
const blocksPerVlf = 131_072n;
/** A VLF's first block: its header takes the sectors before (unverified). */
const firstBlock = 16n;

export function lsnOf(vlf: bigint, block: bigint, slot: bigint): Lsn {
  return vlf * vlfUnit + block * blockUnit + slot;
}

/** Where the log of a new database begins. */
export const firstLsn: Lsn = lsnOf(34n, firstBlock, 1n);

export function nextSlot(lsn: Lsn): Lsn {
  return lsn + 1n;
}

/** Slot 1 of the block after `lsn`'s, which held `bytes` bytes. Blocks start at multiples of 8 sectors, as in published captures. */
export function nextBlock(lsn: Lsn, bytes: number): Lsn {
  const vlf = lsn / vlfUnit;
  const block = (lsn % vlfUnit) / blockUnit;
  const used = BigInt(Math.max(1, Math.ceil(bytes / 4096))) * 8n;
  return block + used < blocksPerVlf ? lsnOf(vlf, block + used, 1n) : nextVlf(lsn);
}

/** Where `lsn`'s block begins. */
export function blockOf(lsn: Lsn): Lsn {
  return lsn - (lsn % blockUnit);
}

/** Slot 1 of the next VLF: where a recovered database writes on, so that its records never share a block with the restored ones. */
export function nextVlf(lsn: Lsn): Lsn {
  return lsnOf(lsn / vlfUnit + 1n, firstBlock, 1n);
}

/** True when the block of `lsn` cannot take another record (slots have five digits). */
export function slotsUsedUp(lsn: Lsn): boolean {
  return lsn % blockUnit >= blockUnit - 2n;
}

export function earlier(...lsns: readonly (Lsn | undefined)[]): Lsn | undefined {
  let least: Lsn | undefined;
  for (const lsn of lsns) if (lsn !== undefined && (least === undefined || lsn < least)) least = lsn;
  return least;
}

export function later(lsn: Lsn, other: Lsn | undefined): Lsn {
  return other !== undefined && other > lsn ? other : lsn;
}
