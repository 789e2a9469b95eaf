/** What a test starts as an instance in a process of its own. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const made = process.env['HOLDFAST_PROGRAMS'];

/** The sources or, within `npm test`, the one file that it made of them, which is started with half the work. */
export const standinMain =
  made === undefined
    ? fileURLToPath(new URL('../src/main.ts', import.meta.url))
    : join(made, 'tools', 'standin', 'main.js');

/** Half of a start is reading the program; filled by every instance that ends in order. */
export const compileCache =
  process.env['NODE_COMPILE_CACHE'] ?? fileURLToPath(new URL('../../../node_modules/.cache/standin', import.meta.url));
