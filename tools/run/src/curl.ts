/** One line to paste into this machine's shell that asks the gateway and prints its answer. */
export function curlLine(url: string, token: string, query: string, platform: NodeJS.Platform): string {
  const body = JSON.stringify({ query: query.replace(/\s+/g, ' ').trim() });
  const quote = platform === 'win32' ? quoteForCommandPrompt : quoteForShell;
  const program = platform === 'win32' ? 'curl.exe' : 'curl';
  const headers = [`authorization: Bearer ${token}`, 'content-type: application/json'];
  return [program, '-s', url, ...headers.flatMap(header => ['-H', quote(header)]), '-d', quote(body)].join(' ');
}

function quoteForShell(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function quoteForCommandPrompt(text: string): string {
  return `"${text.replaceAll('"', '\\"')}"`;
}
