/** The server's side of an NTLMv2 login (MS-NLMP §3.3.2; unverified, see ntlm-messages.ts). */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { md4 } from './md4.ts';
import { parseAuthenticate, renderChallenge, type Authenticate } from './ntlm-messages.ts';

/** What stands for a password from here on. */
export function ntHash(password: string): Buffer {
  return md4(Buffer.from(password, 'utf16le'));
}

export type NtlmOptions = {
  /** Eight random bytes, never the same twice: they make a recorded answer worthless. */
  readonly serverChallenge: Buffer;
  readonly domain: string;
  readonly computer: string;
  readonly now: Date;
};

const lmV2Bytes = 24;
const proofBytes = 16;
/** Proof, and the least that a client's challenge has behind it. */
const leastNtV2Bytes = proofBytes + 28;

/** One login: challenge out, answer in. */
export class NtlmExchange {
  readonly #serverChallenge: Buffer;
  readonly #negotiate: Buffer;
  /** The second message, for the client. */
  readonly challenge: Buffer;

  constructor(negotiate: Buffer, options: NtlmOptions) {
    this.#negotiate = negotiate;
    this.#serverChallenge = options.serverChallenge;
    this.challenge = renderChallenge(options);
  }

  /**
   * The account, as `DOMAIN\user` in the client's own spelling, when the answer proves that its password is known; otherwise undefined.
   * Throws ProtocolError for bytes that are no answer.
   */
  authenticated(token: Buffer, hashOf: (account: string) => Buffer | undefined): string | undefined {
    const answer = parseAuthenticate(token);
    const account = `${answer.domain}\\${answer.user}`;
    const hash = hashOf(account);
    if (hash === undefined) return undefined;
    // Windows takes the domain as it was sent, both drivers that were tried in capitals.
    const domains = [answer.domain, answer.domain.toUpperCase()];
    return domains.some(domain => this.#proves(answer, keyOf(hash, answer.user, domain))) ? account : undefined;
  }

  #proves(answer: Authenticate, key: Buffer): boolean {
    const { ntResponse, lmResponse } = answer;
    if (ntResponse.length < leastNtV2Bytes) {
      // tedious gives its NTLMv2 response the length of its proof, which leaves the LMv2 response to tell.
      return lmResponse.length === lmV2Bytes && this.#isProof(key, lmResponse);
    }
    return this.#isProof(key, ntResponse) && this.#isIntact(answer, key);
  }

  #isProof(key: Buffer, response: Buffer): boolean {
    const expected = hmac(key, this.#serverChallenge, response.subarray(proofBytes));
    return timingSafeEqual(expected, response.subarray(0, proofBytes));
  }

  /** The MIC covers all three messages, where the client made one. */
  #isIntact({ ntResponse, mic }: Authenticate, key: Buffer): boolean {
    if (mic === undefined) return true;
    const sessionKey = hmac(key, ntResponse.subarray(0, proofBytes));
    return timingSafeEqual(hmac(sessionKey, this.#negotiate, this.challenge, mic.messageWithoutIt), mic.value);
  }
}

function keyOf(hash: Buffer, user: string, domain: string): Buffer {
  return hmac(hash, Buffer.from(user.toUpperCase() + domain, 'utf16le'));
}

function hmac(key: Buffer, ...parts: readonly Buffer[]): Buffer {
  const sum = createHmac('md5', key);
  for (const part of parts) sum.update(part);
  return sum.digest();
}
