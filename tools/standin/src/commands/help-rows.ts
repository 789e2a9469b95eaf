/** Names and what they mean in two columns; `width` of the first: as wide as the longest name when left out. */
export function helpRows(
  meanings: Readonly<Record<string, string>>,
  width = Math.max(...Object.keys(meanings).map(name => name.length)),
): string {
  return Object.entries(meanings)
    .map(([name, meaning]) => `  ${name.padEnd(width)}  ${meaning}`)
    .join('\n');
}
