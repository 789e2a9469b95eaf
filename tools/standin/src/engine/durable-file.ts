/**
 * The only way in which the engine changes files. After every change it tells `passed` its name: what a crash leaves can only differ between two
 * of these places, so whoever ends the process at each of them has met every crash there is (test/crash does).
 */
import { closeSync, ftruncateSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';

/** Told the name of each place as it is passed, as `rename instance.json`. A place where a file is half written exists only when somebody listens. */
export type PlaceHook = (place: string) => void;

export class Disk {
  readonly #passed: PlaceHook | undefined;
  readonly #hasty: boolean;

  /**
   * `hasty`: nothing is forced to the disk, and every change is made before its promise is given. The order of the changes is the same: it survives
   * the end of the process at any place, but no power cut.
   */
  constructor(passed?: PlaceHook, hasty = false) {
    this.#passed = passed;
    this.#hasty = hasty;
  }

  /** `w`: a new, empty file, whatever was there; `wx`: only where none is (EEXIST); `r+`: an existing one. */
  async open(path: string, flags: 'w' | 'wx' | 'r+'): Promise<DurableFile> {
    const handle = this.#hasty ? new HastyFile(path, flags) : await open(path, flags);
    const file = new DurableFile(handle, basename(path), this.#passed);
    if (flags !== 'r+') this.#passed?.(`create ${basename(path)}`);
    return file;
  }

  /** Replaces `path` as a whole: after a crash it has the old bytes or the new ones, never a mixture. */
  async replace(path: string, chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
    const fresh = unfinished(path);
    const file = await this.open(fresh, 'w');
    try {
      let at = 0;
      for await (const chunk of chunks) {
        await file.write(chunk, at);
        at += chunk.length;
      }
      await file.sync();
    } finally {
      await file.close();
    }
    if (this.#hasty) renameSync(fresh, path);
    else await rename(fresh, path);
    this.#passed?.(`rename ${basename(path)}`);
    await this.syncFolder(dirname(path));
  }

  /** Without complaint when there is none; also takes away what a `replace` cut short left beside it. */
  async remove(path: string): Promise<void> {
    for (const each of [unfinished(path), path]) {
      if (this.#hasty) rmSync(each, { force: true });
      else await rm(each, { force: true });
    }
    this.#passed?.(`remove ${basename(path)}`);
  }

  /** Makes a rename or a new file in `folder` survive a power cut. Windows cannot open folders and needs no such step. */
  async syncFolder(folder: string): Promise<void> {
    if (process.platform === 'win32' || this.#hasty) return;
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    this.#passed?.(`sync folder ${basename(folder)}`);
  }
}

function unfinished(path: string): string {
  return `${path}.new`;
}

type Handle = Pick<FileHandle, 'truncate' | 'datasync' | 'close'> & {
  write(bytes: Uint8Array, offset: number, length: number, at: number): Written | Promise<Written>;
};
type Written = { readonly bytesWritten: number };

class HastyFile implements Handle {
  readonly #file: number;

  constructor(path: string, flags: string) {
    this.#file = openSync(path, flags);
  }

  write(bytes: Uint8Array, offset: number, length: number, at: number): Written {
    return { bytesWritten: writeSync(this.#file, bytes, offset, length, at) };
  }

  truncate(size: number): Promise<void> {
    ftruncateSync(this.#file, size);
    return Promise.resolve();
  }

  datasync(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    closeSync(this.#file);
    return Promise.resolve();
  }
}

/** A file that is written at places of the caller's choice. */
export class DurableFile {
  readonly #file: Handle;
  readonly #name: string;
  readonly #passed: PlaceHook | undefined;

  constructor(file: Handle, name: string, passed: PlaceHook | undefined) {
    this.#file = file;
    this.#name = name;
    this.#passed = passed;
  }

  /** All of `bytes`, or it throws: a full disk takes a part of them without complaint. */
  async write(bytes: Uint8Array, at: number): Promise<void> {
    const half = this.#passed === undefined ? 0 : bytes.length >>> 1;
    if (half > 0) {
      await this.#put(bytes.subarray(0, half), at);
      this.#passed?.(`half ${this.#name}`);
    }
    await this.#put(bytes.subarray(half), at + half);
    this.#passed?.(`write ${this.#name}`);
  }

  async #put(bytes: Uint8Array, at: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const writing = this.#file.write(bytes, done, bytes.length - done, at + done);
      // Without a turn of its own where there is nothing to wait for.
      done += (writing instanceof Promise ? await writing : writing).bytesWritten;
    }
  }

  async truncate(size: number): Promise<void> {
    await this.#file.truncate(size);
    this.#passed?.(`truncate ${this.#name}`);
  }

  /** Resolves when everything written is on the disk, the size of the file included. */
  async sync(): Promise<void> {
    await this.#file.datasync();
    this.#passed?.(`sync ${this.#name}`);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
