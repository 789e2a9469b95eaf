/** LIKE patterns: % _ [set] [^set] and an escape character, case-insensitive; trailing blanks of the value are not ignored in the pattern. */
const cache = new Map<string, (text: string) => boolean>();

/** `binary`: of a binary collation, where the case of letters counts. */
export function likeMatcher(pattern: string, escape: string | undefined, binary = false): (text: string) => boolean {
  const key = `${binary ? 'b' : ''}${escape ?? ''}\u0000${pattern}`;
  const known = cache.get(key);
  if (known !== undefined) return known;
  const expression = new RegExp(`^${translate(pattern, escape)} *$`, binary ? 's' : 'is');
  const matcher = (text: string): boolean => expression.test(text);
  // A pattern made from a column would otherwise fill the memory of a long test.
  if (cache.size > 500) cache.clear();
  cache.set(key, matcher);
  return matcher;
}

function quote(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

function translate(pattern: string, escape: string | undefined): string {
  let result = '';
  for (let i = 0; i < pattern.length; i += 1) {
    const c = pattern[i] ?? '';
    if (c === escape) {
      i += 1;
      result += quote(pattern[i] ?? '');
    } else if (c === '%') result += '.*';
    else if (c === '_') result += '.';
    else if (c === '[') {
      const close = pattern.indexOf(']', i + 2);
      // An unclosed bracket matches nothing.
      if (close < 0) return '(?!)';
      result += set(pattern.slice(i + 1, close));
      i = close;
    } else result += quote(c);
  }
  return result;
}

function set(content: string): string {
  const negated = content.startsWith('^');
  const body = (negated ? content.slice(1) : content).replace(/[\\\]^[]/g, '\\$&').replace(/^-|-$/g, '\\-');
  return `[${negated ? '^' : ''}${body}]`;
}
