/** Windows and UNC paths of the instance → folders of this machine (sqlserver.md §7.2: paths belong to the server, not to its callers). */
import { join } from 'node:path';

export type HostPaths = (path: string) => string | undefined;

/** Longest prefix wins, case-insensitively; `\` and `/` are the same. No prefix, or a `..`: undefined. */
export function createHostPaths(map: Readonly<Record<string, string>>): HostPaths {
  const roots = Object.entries(map)
    .map(([prefix, folder]) => ({ prefix: normalise(prefix), upper: normalise(prefix).toUpperCase(), folder }))
    .sort((a, b) => b.prefix.length - a.prefix.length);
  return path => {
    const wanted = normalise(path);
    const root = roots.find(
      ({ prefix: { length }, upper }) => isBoundary(wanted, length) && wanted.slice(0, length).toUpperCase() === upper,
    );
    if (root === undefined) return undefined;
    const parts = wanted
      .slice(root.prefix.length)
      .split('\\')
      .filter(part => part !== '');
    return parts.includes('..') ? undefined : join(root.folder, ...parts);
  };
}

function normalise(path: string): string {
  return path.replace(/\//g, '\\').replace(/\\+$/, '');
}

function isBoundary(path: string, at: number): boolean {
  return path.length === at || path[at] === '\\';
}

/** `D:\Data` + `x.mdf`; a folder that uses `/` keeps it. */
export function joinServerPath(folder: string, name: string): string {
  const separator = folder.includes('/') && !folder.includes('\\') ? '/' : '\\';
  return /[\\/]$/.test(folder) ? folder + name : folder + separator + name;
}

/** The part before the last separator: `D:\Data\x.mdf` → `D:\Data`. */
export function serverFolder(path: string): string {
  return path.replace(/[\\/][^\\/]*$/, '');
}
