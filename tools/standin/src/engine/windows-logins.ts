/** Windows logins made by CREATE LOGIN … FROM WINDOWS: they are listed, own nothing and cannot log in, because nobody has told their passwords. */
import { createHash } from 'node:crypto';
import { compareText } from './compare.ts';
import { fail } from '../messages.ts';
import type { Login } from '../contract.ts';

export class WindowsLogins {
  readonly #names: string[];
  readonly #save: () => Promise<void>;

  constructor(names: readonly string[], save: () => Promise<void>) {
    this.#names = [...names];
    this.#save = save;
  }

  get names(): readonly string[] {
    return this.#names;
  }

  list(): readonly Login[] {
    return this.#names.map(name => ({ name, sid: windowsSid(name), serverRoles: new Set(), windows: true }));
  }

  /** `taken`: the other logins. */
  async create(name: string, taken: readonly Login[]): Promise<void> {
    if (!/^[^\\]+\\[^\\]+$/.test(name)) throw fail(15407, name);
    if ([...this.#names, ...taken.map(login => login.name)].some(other => compareText(other, name) === 0))
      throw fail(15025, name);
    this.#names.push(name);
    await this.#save();
  }

  async drop(name: string): Promise<void> {
    const place = this.#names.findIndex(each => compareText(each, name) === 0);
    if (place < 0) throw fail(15151, 'drop', 'login', name);
    this.#names.splice(place, 1);
    await this.#save();
  }
}

/** S-1-5-21-<domain>-<account>, made up from the names: the same account has one SID at every instance. */
export function windowsSid(name: string): Uint8Array {
  const [domain = '', account = ''] = name.toLowerCase().split('\\');
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const sid = Buffer.alloc(28);
  sid.set([1, 5, 0, 0, 0, 0, 0, 5, 21]);
  sid.set(digest(domain).subarray(0, 12), 12);
  // Accounts of a domain are numbered from 1000 on.
  sid.writeUInt32LE(1000 + (digest(account).readUInt32LE(0) % 1_000_000), 24);
  return new Uint8Array(sid);
}
