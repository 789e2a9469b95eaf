/**
 * The name of a marked transaction. It is compared case-sensitively whatever the collation (sqlserver.md §3.1), and it
 * is `adm_BackupHistory.MarkName`, never the name of the backup file (biztalk-dr.md §2.5).
 */
declare const markKind: unique symbol;
export type MarkName = string & { readonly [markKind]: true };

/** The moment written into a BizTalk mark: text, because only the job's settings say whether it is UTC or local. */
export type MarkTimestamp = {
  readonly prefix: string;
  readonly year: string;
  readonly month: string;
  readonly day: string;
  readonly hour: string;
  readonly minute: string;
  readonly second: string;
  readonly millisecond: string;
};

// The column is nvarchar(32) and a longer name in a variable is cut without a word (sqlserver.md §3.1): it would name
// another mark. Quotes never occur (biztalk-dr.md §2.5), so a name that holds one does not come from a history.
const name = /^[^'"\p{Cc}]{1,32}$/u;
const biztalk = /^([^\s'"]{1,8})_(\d{4})_(\d{2})_(\d{2})_(\d{2})_(\d{2})_(\d{2})_(\d{3})$/;

/** The mark exactly as written, or undefined: 1–32 characters, no quotes, no control characters. */
export function parseMarkName(value: unknown): MarkName | undefined {
  return typeof value === 'string' && value.length <= 32 && name.test(value) ? (value as MarkName) : undefined;
}

/** For text that must be a mark because a schema or our own store says so. Throws RangeError when it is not. */
export function requireMarkName(value: unknown): MarkName {
  const mark = parseMarkName(value);
  if (mark === undefined) throw new RangeError(`not a mark name: ${typeof value} ${String(value)}`);
  return mark;
}

/** Whether the name has the shape the BizTalk job gives, `<prefix>_yyyy_mm_dd_hh_mi_ss_mmm` (biztalk-dr.md §2.5). */
export function isBizTalkMark(mark: MarkName): boolean {
  return biztalk.test(mark);
}

export function markTimestamp(mark: MarkName): MarkTimestamp | undefined {
  const match = biztalk.exec(mark);
  if (match === null) return undefined;
  const [, prefix = '', year = '', month = '', day = '', hour = '', minute = '', second = '', millisecond = ''] = match;
  return { prefix, year, month, day, hour, minute, second, millisecond };
}
