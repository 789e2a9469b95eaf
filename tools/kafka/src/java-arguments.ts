import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Installation } from './installation.ts';

const logging = fileURLToPath(new URL('../log4j2.properties', import.meta.url));

/** Of every Java here: small, quick to start (kafka.md §2). Java expands the star itself: no shell may see it. */
export function javaArguments({ lib, archive }: Installation): readonly string[] {
  return [
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    ...(archive === undefined ? [] : [`-XX:SharedArchiveFile=${archive}`]),
    `-Dlog4j2.configurationFile=${logging}`,
    '-cp',
    join(lib, '*'),
  ];
}
