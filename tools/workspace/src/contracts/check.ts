import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { breakingChanges } from './compatibility.ts';
import type { Documents } from './documents.ts';
import { committedVersions, type History } from './history.ts';

export const folderName = 'contracts';

/** Paths of what differs between `contracts/` and its sources: missing, other text, or nobody's any more. */
export function staleDocuments(root: string, documents: Documents): string[] {
  const folder = join(root, folderName);
  const stale = [...documents].filter(([path, text]) => readIfThere(join(folder, path)) !== text).map(([path]) => path);
  return [...stale, ...leftOver(folder, documents)].sort();
}

/** What breaks somebody who relied on any version that HEAD's history holds. */
export function brokenPromises(history: History, documents: Documents): string[] {
  if (!history.ok) return [];
  return [...new Set(history.versions.flatMap(({ path, text }) => breakingChanges(path, text, documents)))].sort();
}

/** Every version of a contract document that was ever committed. */
export function publishedHistory(root: string): History {
  const history = committedVersions(root, folderName);
  return history.ok ? { ok: true, versions: history.versions.filter(({ path }) => isGenerated(path)) } : history;
}

export function writeDocuments(root: string, documents: Documents): void {
  const folder = join(root, folderName);
  for (const path of leftOver(folder, documents)) rmSync(join(folder, path));
  for (const [path, text] of documents) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

/** All but the texts for people. */
const isGenerated = (path: string): boolean => !path.endsWith('.md');

function leftOver(folder: string, documents: Documents): string[] {
  return globSync('**/*.*', { cwd: folder })
    .map(path => path.split(sep).join('/'))
    .filter(path => isGenerated(path) && !documents.has(path));
}

function readIfThere(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}
