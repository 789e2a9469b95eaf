import { randomBytes } from 'node:crypto';
import { NtlmExchange, ntHash } from './protocol/ntlm.ts';

export type WindowsAccountsOptions = {
  /** `DOMAIN\\account` and its password. */
  readonly accounts: readonly { readonly name: string; readonly password: string }[];
  readonly serverName: string;
  readonly clock: () => Date;
};

/** The accounts that an instance without a domain controller knows by itself. */
export class WindowsAccounts {
  readonly #hashes: ReadonlyMap<string, Buffer>;
  readonly #domain: string;
  readonly #computer: string;
  readonly #clock: () => Date;

  constructor({ accounts, serverName, clock }: WindowsAccountsOptions) {
    this.#hashes = new Map(accounts.map(({ name, password }) => [name.toLowerCase(), ntHash(password)]));
    this.#computer = serverName.split('\\')[0] ?? serverName;
    this.#domain = accounts[0]?.name.split('\\')[0] ?? this.#computer;
    this.#clock = clock;
  }

  /** `negotiate`: the client's first message. */
  exchange(negotiate: Buffer): NtlmExchange {
    const now = this.#clock();
    return new NtlmExchange(negotiate, {
      serverChallenge: randomBytes(8),
      domain: this.#domain,
      computer: this.#computer,
      now,
    });
  }

  hashOf(account: string): Buffer | undefined {
    return this.#hashes.get(account.toLowerCase());
  }
}
