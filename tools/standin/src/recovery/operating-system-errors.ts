/** Windows' words for what went wrong with a device, as they stand inside 3201, 3202 and 3203 (sqlserver.md §1.4, §2.4). */
const texts: Readonly<Record<number, string>> = {
  2: 'The system cannot find the file specified.',
  3: 'The system cannot find the path specified.',
  5: 'Access is denied.',
  13: 'The data is invalid',
  23: 'Data error (cyclic redundancy check).',
  32: 'The process cannot access the file because it is being used by another process.',
  38: 'Reached the end of the file.',
  53: 'The network path was not found.',
  59: 'An unexpected network error occurred.',
  64: 'The specified network name is no longer available.',
  112: 'There is not enough space on the disk.',
  183: 'Cannot create a file when that file already exists.',
  1117: 'The request could not be performed because of an I/O device error.',
};

const numbers: Readonly<Record<string, number>> = {
  ENOENT: 2,
  ENOTDIR: 3,
  EACCES: 5,
  EPERM: 5,
  EISDIR: 5,
  EROFS: 5,
  EBUSY: 32,
  ENOSPC: 112,
  EEXIST: 183,
};

export function operatingSystemError(number: number): string {
  return `${number}(${operatingSystemText(number)})`;
}

export function operatingSystemText(number: number): string {
  return texts[number] ?? 'Unknown error.';
}

/** The Windows error of a failed file operation of this machine. */
export function translateSystemError(failure: unknown): string {
  return operatingSystemError(systemErrorNumber(failure));
}

export function systemErrorNumber(failure: unknown): number {
  return numbers[systemCode(failure)] ?? 1117;
}

/** `ENOENT` and the like; empty for anything else. */
export function systemCode(failure: unknown): string {
  return typeof failure === 'object' && failure !== null && 'code' in failure ? String(failure.code) : '';
}
