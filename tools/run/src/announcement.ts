import { writeSync } from 'node:fs';

/** What a process prints on standard output, on one line of JSON, when it accepts work; `ready: true` tells the line from others. */
export type Announcement = Readonly<Record<string, unknown>> & { readonly ready: true };

export function readAnnouncement(line: string): Announcement | undefined {
  if (!line.startsWith('{')) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  return isAnnouncement(parsed) ? parsed : undefined;
}

/** Says so to the process that started this one. */
export function writeAnnouncement(facts: Readonly<Record<string, unknown>>): void {
  writeSync(1, `${JSON.stringify({ ready: true, ...facts })}\n`);
}

function isAnnouncement(value: unknown): value is Announcement {
  return typeof value === 'object' && value !== null && 'ready' in value && value.ready === true;
}
