/**
 * Paths as a SQL Server writes them: text of another machine, never touched by this machine's path rules. Windows
 * accepts `\` and `/` alike, so both separate; SQL Server on Linux writes `/` only.
 */
export type FolderView = {
  /** The folder as the source instance wrote it. */
  readonly source: string;
  /** Two sources' `D:\Backup` are different folders (design.md §5). */
  readonly sourceInstance: string;
};

export type MappedPath<View extends FolderView> =
  /** `segments` go below the view's folder; the caller joins them in the manner of the machine it means. */
  | { readonly kind: 'MAPPED'; readonly view: View; readonly segments: readonly [...string[], string] }
  | { readonly kind: 'REFUSED'; readonly why: 'NO_VIEW' | 'NOT_A_FILE_PATH' };

type Parsed = { readonly root: string; readonly segments: readonly string[] };

const drive = /^[A-Za-z]:[\\/]/;
const share = /^[\\/]{2}[^\\/]/;
// A colon would name an alternate stream and control characters end a name early; none is in a backup's file name.
// Windows drops blanks and dots at the end of a name, which would turn `.. ` into `..`.
const unsafe = /[:*?"<>|\p{Cc}]|[. ]$/u;

/** `X:\…` or `\\server\share…`; a drive-relative `X:name` depends on a process's folder and is none. */
export function isWindowsPath(path: string): boolean {
  return drive.test(path) || share.test(path);
}

/** Folder and name with `\`, or with `/` where the folder is written with `/` and no `\`. */
export function joinPath(folder: string, name: string): string {
  const separator = folder.includes('/') && !folder.includes('\\') ? '/' : '\\';
  return /[\\/]$/.test(folder) ? folder + name : folder + separator + name;
}

/** The part before the last separator and the name after it. A bare name has the folder ''. */
export function splitPath(path: string): { readonly folder: string; readonly name: string } {
  const at = Math.max(path.lastIndexOf('\\'), path.lastIndexOf('/'));
  return { folder: path.slice(0, Math.max(at, 0)), name: path.slice(at + 1) };
}

/**
 * The view of the source instance whose folder is the longest one above the path, without regard to letter case.
 * Whole segments are compared: `D:\Backup` is not above `D:\Backup2\x.bak`. The segments may become a path on this
 * machine, so a path with `..` or with characters that no backup file has is refused instead of cleaned.
 */
export function mapFolder<View extends FolderView>(
  views: readonly View[],
  file: { readonly sourceInstance: string; readonly path: string },
): MappedPath<View> {
  const path = parse(file.path);
  if (path === undefined || path.segments.length === 0) return { kind: 'REFUSED', why: 'NOT_A_FILE_PATH' };
  let best: { view: View; depth: number } | undefined;
  for (const view of views) {
    const folder = parse(view.source);
    if (folder === undefined || fold(view.sourceInstance) !== fold(file.sourceInstance) || !isAbove(folder, path))
      continue;
    if (best === undefined || folder.segments.length > best.depth) best = { view, depth: folder.segments.length };
  }
  if (best === undefined) return { kind: 'REFUSED', why: 'NO_VIEW' };
  const name = path.segments.at(-1);
  const folders = path.segments.slice(best.depth, -1);
  if (name === undefined) return { kind: 'REFUSED', why: 'NOT_A_FILE_PATH' };
  return { kind: 'MAPPED', view: best.view, segments: [...folders, name] };
}

/** An absolute path in its root (drive, `\\` or `/`) and segments; undefined for anything else. */
function parse(path: string): Parsed | undefined {
  const root = drive.test(path) ? path.slice(0, 2) : share.test(path) ? '\\\\' : path.startsWith('/') ? '/' : undefined;
  if (root === undefined) return undefined;
  const segments = path
    .slice(root.length)
    .split(/[\\/]+/)
    .filter(segment => segment !== '');
  const refused = segments.some(segment => unsafe.test(segment));
  return refused ? undefined : { root, segments };
}

function isAbove(folder: Parsed, path: Parsed): boolean {
  return (
    fold(folder.root) === fold(path.root) &&
    folder.segments.length < path.segments.length &&
    folder.segments.every((segment, index) => fold(segment) === fold(path.segments[index] ?? ''))
  );
}

function fold(text: string): string {
  return text.toUpperCase();
}
