// `npm run build [-- --out DIR]`: a folder for each service (`dist/<service>/`) that runs with nothing else installed: `node main.js`.
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundleApps } from './bundle.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const { values } = parseArgs({ options: { out: { type: 'string' } } });
const outFolder = resolve(values.out ?? `${root}dist`);

for (const { app, bytes, packages } of await bundleApps(root, outFolder))
  console.log(`${app}: ${(bytes / 1e6).toFixed(1)} MB, code of ${packages.length} packages`);
console.log(`written to ${outFolder}`);
