import { readFile } from 'node:fs/promises';
import { posix, relative, sep } from 'node:path';
import type { Plugin } from 'esbuild';

/** Forward slashes on every machine, from the top of the repository. */
export type Place = string;

/** Asks for packages, and those that are copied lie beside the bundle: it means the same there. */
const required = /createRequire\(import\.meta\.url\)/g;
const reference = /new URL\(\s*(['"])(\.\.?\/[^'"]*)\1,\s*import\.meta\.url\s*\)/g;

/**
 * In a bundle every module has the bundle's own address, so `new URL('../migrations/', import.meta.url)` of two projects would be one
 * folder. Here the bundle's folder takes the place of the repository: a reference keeps pointing to the same path below it. What lies in a
 * project is an asset to be copied there; what lies outside of all projects (`.holdfast/`) is where a process keeps its state, and is not.
 */
export function rewriteReferences(file: Place, source: string): { readonly source: string; readonly assets: Place[] } {
  const assets: Place[] = [];
  let found = [...source.matchAll(required)].length;
  const rewritten = source.replace(reference, (_all, _quote, path: string) => {
    found += 1;
    const place = posix.join(posix.dirname(file), path);
    if (place.startsWith('..')) throw new Error(`${file} refers to ${path}, which lies outside of the repository.`);
    if (/^(apps|libs)\//.test(place)) assets.push(place);
    return `new URL('./${place}', import.meta.url)`;
  });
  if (source.split('import.meta').length - 1 > found)
    throw new Error(
      `${file} uses import.meta in a form that a bundle cannot keep: write new URL('…', import.meta.url), or createRequire(import.meta.url) for a package that is copied.`,
    );
  return { source: rewritten, assets };
}

/** `assetsOf` is filled while the bundler reads our sources: source file → what it refers to. */
export function referencePlugin(root: string, assetsOf: Map<Place, readonly Place[]>): Plugin {
  return {
    name: 'references',
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const file = relative(root, path).split(sep).join(posix.sep);
        if (!/^(apps|libs)\//.test(file) || file.includes('node_modules/')) return undefined;
        const { source, assets } = rewriteReferences(file, await readFile(path, 'utf8'));
        assetsOf.set(file, assets);
        return { contents: source, loader: 'ts' };
      });
    },
  };
}
