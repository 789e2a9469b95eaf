/**
 * The only place where a name or a text becomes part of a statement (sqlserver.md §10, rules for generated text).
 * Whatever cannot be quoted safely is a programming error or a hostile catalogue row: it throws, it is never repaired.
 */

// Control characters have no business in names, paths or marks; one in a log line or an error text would hide what was sent.
const controlCharacter = /[\u0000-\u001f\u007f]/;

const refuse = (what: string, why: string): never => {
  throw new Error(`Cannot be part of a statement: ${what} ${why}.`);
};

/** `[name]`, `]` doubled. 1..128 UTF-16 units (sysname), no control characters. */
export const quoteName = (name: string): string => {
  if (name.length === 0) return refuse('a name', 'is empty');
  if (name.length > 128) return refuse('a name', `has ${name.length} characters, 128 are allowed`);
  if (controlCharacter.test(name)) return refuse('a name', 'holds a control character');
  return quoteScriptName(name);
};

/** `N'text'`, `'` doubled. At most `maxLength` UTF-16 units, no control characters; may be empty only where `maxLength` is 0-checked by the caller. */
export const quoteLiteral = (text: string, maxLength = 4000): string => {
  if (text.length > maxLength) return refuse('a text', `has ${text.length} characters, ${maxLength} are allowed`);
  if (controlCharacter.test(text)) return refuse('a text', 'holds a control character');
  return quoteScriptText(text);
};

// For scripts that people read and run; nothing of them is sent by us, so whatever a server has as a name or text is shown, never refused.

/** `[name]`, `]` doubled. */
export const quoteScriptName = (name: string): string => `[${name.replaceAll(']', ']]')}]`;

/** `N'text'`, `'` doubled: any length, line breaks too. */
export const quoteScriptText = (text: string): string => `N'${text.replaceAll("'", "''")}'`;

/** A backup device's path: 1..259 characters (3057, sqlserver.md §1.2). */
export const quoteDevice = (path: string): string => {
  if (path.length === 0) return refuse('a device path', 'is empty');
  return quoteLiteral(path, 259);
};

/** A mark: 1..32 characters. STOPATMARK takes a literal only, never a variable (biztalk-dr.md §4.12). */
export const quoteMark = (mark: string): string => {
  if (mark.length === 0) return refuse('a mark', 'is empty');
  // `lsn:` switches STOPATMARK to another meaning (sqlserver.md §2.2): such a name would stop somewhere else.
  if (/^lsn:/i.test(mark)) return refuse('a mark', "starts with 'lsn:'");
  return quoteLiteral(mark, 32);
};

/** A whole number as text, for the places where the grammar takes no variable (FILE = n, KILL n, TOP). */
export const quoteCount = (count: number): string => {
  if (!Number.isSafeInteger(count) || count < 0) return refuse('a count', `must be a whole number, not ${count}`);
  return String(count);
};

/** `'uuid'`: a unit of work, as KILL takes it. */
export const quoteUuid = (uuid: string): string => {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(uuid)) return refuse('a unit of work', 'is no uuid');
  return `'${uuid}'`;
};
