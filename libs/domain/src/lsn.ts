/**
 * A log sequence number as SQL Server's numeric(25,0): decimal text without leading zeros. It has 17–25 digits in
 * practice, more than a JavaScript number holds (sqlserver.md §0 item 1), so it is text outside and bigint for arithmetic.
 */
declare const lsnKind: unique symbol;
export type Lsn = string & { readonly [lsnKind]: true };

/** VLF sequence × 10^15 + block offset × 10^5 + slot (sqlserver.md §2.6). */
export type LsnParts = { readonly vlf: bigint; readonly block: bigint; readonly slot: bigint };

const decimal = /^(?:0|[1-9]\d{0,24})$/;
const hexColon = /^(?:0x)?([0-9a-f]{8}):([0-9a-f]{8}):([0-9a-f]{4})$/i;
const blockUnit = 10n ** 5n;
const vlfUnit = 10n ** 15n;

/** The LSN, or undefined: numbers are refused even when they look whole, for their last digits are already lost. */
export function parseLsn(value: unknown): Lsn | undefined {
  return typeof value === 'string' && decimal.test(value) ? (value as Lsn) : undefined;
}

/** For text that must be an LSN because a schema or our own store says so. Throws RangeError when it is not. */
export function requireLsn(value: unknown): Lsn {
  const lsn = parseLsn(value);
  if (lsn === undefined) throw new RangeError(`not an LSN: ${typeof value} ${String(value)}`);
  return lsn;
}

/** The form `VVVVVVVV:BBBBBBBB:SSSS`, with or without `0x` before it, or undefined. */
export function parseLsnHex(text: string): Lsn | undefined {
  const [, vlf, block, slot] = hexColon.exec(text) ?? [];
  if (vlf === undefined || block === undefined || slot === undefined) return undefined;
  return lsnFromParts({ vlf: BigInt(`0x${vlf}`), block: BigInt(`0x${block}`), slot: BigInt(`0x${slot}`) });
}

/** `VVVVVVVV:BBBBBBBB:SSSS` in lower case. Throws RangeError when a part is wider than its field. */
export function renderLsnHex(lsn: Lsn): string {
  const { vlf, block, slot } = lsnParts(lsn);
  if (vlf > 0xffffffffn || block > 0xffffffffn || slot > 0xffffn) throw new RangeError(`${lsn} has no hex form`);
  return [hex(vlf, 8), hex(block, 8), hex(slot, 4)].join(':');
}

export function lsnParts(lsn: Lsn): LsnParts {
  const value = BigInt(lsn);
  return { vlf: value / vlfUnit, block: (value % vlfUnit) / blockUnit, slot: value % blockUnit };
}

/** -1 when `a` lies before `b`, 0 when equal. Without leading zeros the longer text is the greater number. */
export function compareLsn(a: Lsn, b: Lsn): -1 | 0 | 1 {
  if (a === b) return 0;
  return a.length < b.length || (a.length === b.length && a < b) ? -1 : 1;
}

export function minLsn(first: Lsn, ...more: Lsn[]): Lsn {
  return more.reduce((least, lsn) => (compareLsn(lsn, least) < 0 ? lsn : least), first);
}

export function maxLsn(first: Lsn, ...more: Lsn[]): Lsn {
  return more.reduce((greatest, lsn) => (compareLsn(lsn, greatest) > 0 ? lsn : greatest), first);
}

/** One slot on: where a database stands after it stopped at a mark with this LSN (sqlserver.md §3.6 rule 2). */
export function nextSlot(lsn: Lsn): Lsn {
  return requireLsn(String(BigInt(lsn) + 1n));
}

/** first ≤ lsn < last: a backup's last_lsn is the next LSN after it, not its own (sqlserver.md §2.6). */
export function liesIn(lsn: Lsn, range: { readonly firstLsn: Lsn; readonly lastLsn: Lsn }): boolean {
  return compareLsn(range.firstLsn, lsn) <= 0 && compareLsn(lsn, range.lastLsn) < 0;
}

function lsnFromParts(parts: LsnParts): Lsn {
  return requireLsn(String(parts.vlf * vlfUnit + parts.block * blockUnit + parts.slot));
}

function hex(part: bigint, width: number): string {
  return part.toString(16).padStart(width, '0');
}
