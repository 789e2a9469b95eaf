import type { SecureContext } from 'node:tls';
import { SqlError, fail, message, unsupported } from './messages.ts';
import { ProtocolError, type ByteWriter } from './protocol/bytes.ts';
import { collation } from './protocol/code-page.ts';
import { parseLogin7, tds80, type Login7 } from './protocol/login7.ts';
import { MessageWriter } from './protocol/message-writer.ts';
import type { NtlmExchange } from './protocol/ntlm.ts';
import { isNegotiate } from './protocol/ntlm-messages.ts';
import { packet, packetType, type IncomingMessage } from './protocol/packets.ts';
import {
  agreeOnEncryption,
  encryption,
  parsePrelogin,
  renderPrelogin,
  type EncryptedPart,
} from './protocol/prelogin.ts';
import {
  doneStatus,
  doneToken,
  environment,
  noCommand,
  writeDone,
  writeEnvironmentBytes,
  writeEnvironmentText,
  writeFeatureAck,
  writeLoginAck,
  writeMessage,
  writeOldRefusal,
  writeSspi,
} from './protocol/tokens.ts';
import type { ServerSession } from './session.ts';
import type { Transport } from './transport.ts';
import type { WindowsAccounts } from './windows-accounts.ts';

export type LoggedIn = { session: ServerSession; readonly packetSize: number };

const defaultPacketSize = 4096;
const tds72 = 0x72000000;
const tds74 = 0x74000004;
/** TDS 7.3 A: date and time types as such; older clients would need every one of them as text. */
const oldestTds = 0x730a0003;
const language = 'us_english';

export type HandshakeOptions = {
  readonly serverName: string;
  readonly version: readonly [number, number, number];
  /** `account`: the Windows account that has shown who it is. Throws SqlError (18456, 4060 …). */
  readonly logIn: (
    login: Login7,
    connection: { readonly encrypted: boolean; close(): void },
    account: string | undefined,
  ) => ServerSession;
  readonly windows: WindowsAccounts;
  /** The certificate for TLS inside TDS 7, which knows 1.2 at the most; made when it is first needed. */
  readonly tlsInside: () => Promise<SecureContext>;
  /** Clients that do not encrypt are refused. */
  readonly forceEncryption: boolean;
};

type WindowsLogin = { readonly login: Login7; readonly exchange: NtlmExchange };

/** PRELOGIN and LOGIN7 (sqlserver.md §8.7), and for a Windows account one more message each way. */
export class Handshake {
  readonly #options: HandshakeOptions;
  #windows: WindowsLogin | undefined;
  #prelogin: { readonly encryption: number; readonly part: EncryptedPart | 'refused' | 'unknown' } | undefined;

  constructor(options: HandshakeOptions) {
    this.#options = options;
  }

  /** 'refused': the answer is written, the connection closes. */
  async step(incoming: IncomingMessage, transport: Transport): Promise<LoggedIn | 'continue' | 'refused'> {
    if (incoming.type === packetType.prelogin && this.#prelogin === undefined) {
      await this.#agree(parsePrelogin(incoming.payload).encryption, transport);
      return 'continue';
    }
    // pytds answers the challenge in packets of type LOGIN7 (that a real server takes them: unverified).
    const isAnswer = this.#windows !== undefined && incoming.type === packetType.sspi;
    if (incoming.type !== packetType.login7 && !isAnswer)
      throw new ProtocolError(`packet type ${incoming.type} before the login`);
    this.#requireEncrypted(transport);
    const writer = new MessageWriter(transport.output, 0, defaultPacketSize);
    const login = this.#windows?.login ?? parseLogin7(incoming.payload);
    try {
      if (this.#windows) return this.#logIn(login, this.#accountOf(this.#windows, incoming.payload), writer, transport);
      this.#requireSupported(login, transport);
      if (!login.integratedSecurity) return this.#logIn(login, undefined, writer, transport);
      this.#windows = { login, exchange: this.#options.windows.exchange(login.sspi) };
      writeSspi(writer.tokens, this.#windows.exchange.challenge);
      writer.end();
      return 'continue';
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      this.#writeRefusal(writer.tokens, login, error);
      writer.end();
      return 'refused';
    }
  }

  #logIn(login: Login7, account: string | undefined, writer: MessageWriter, transport: Transport): LoggedIn {
    const connection = { encrypted: transport.encrypted, close: () => transport.destroy() };
    const session = this.#options.logIn(login, connection, account);
    transport.loggedIn();
    const packetSize = agreedPacketSize(login.packetSize);
    writeWelcome(writer.tokens, { ...this.#options, session, login, packetSize });
    writer.end();
    return { session, packetSize };
  }

  #accountOf({ exchange }: WindowsLogin, answer: Buffer): string {
    const account = exchange.authenticated(answer, name => this.#options.windows.hashOf(name));
    if (account === undefined) throw fail(18452);
    return account;
  }

  async #agree(asked: number, transport: Transport): Promise<void> {
    const { forceEncryption, version } = this.#options;
    const notSupported = { answer: encryption.notSupported, part: 'unknown' } as const;
    // Where TLS came first there is nothing to agree on, and never a second TLS inside (MS-TDS, TDS 8.0; that the answer is NOT_SUP: unverified).
    const { answer, part } = transport.tlsFirst
      ? ({ answer: encryption.notSupported, part: 'nothing' } as const)
      : (agreeOnEncryption(asked, forceEncryption) ?? notSupported);
    this.#prelogin = { encryption: asked, part };
    const tls = part === 'login' || part === 'everything';
    // Before the answer: a client's handshake may be the next thing to come.
    const context = tls ? await this.#options.tlsInside() : undefined;
    transport.output.write(packet(renderPrelogin({ version, encryption: answer }), 1, 0, true));
    if (tls && context) transport.startTls(part, context);
  }

  /** A client that was told to encrypt and goes on in clear is dropped: its password has travelled, an answer would call for more. */
  #requireEncrypted(transport: Transport): void {
    const refused = this.#prelogin?.part === 'refused' || (!this.#prelogin && this.#options.forceEncryption);
    if (refused && !transport.encrypted) throw new ProtocolError('login in clear where encryption is required');
  }

  #writeRefusal(tokens: ByteWriter, login: Login7, error: SqlError): void {
    const { serverName } = this.#options;
    if (login.tdsVersion < tds72 && login.tdsVersion !== tds80) {
      for (const each of error.messages) writeOldRefusal(tokens, each, serverName);
      return;
    }
    for (const each of error.messages) writeMessage(tokens, 'error', each, serverName);
    writeDone(tokens, doneToken.done, doneStatus.error, noCommand, 0n);
  }

  #requireSupported(login: Login7, transport: Transport): void {
    if (this.#prelogin?.part === 'unknown') throw unsupported(`PRELOGIN encryption ${this.#prelogin.encryption}`);
    const strict = login.tdsVersion === tds80 && transport.tlsFirst;
    if (login.tdsVersion < oldestTds && !strict) throw unsupported(`TDS version 0x${login.tdsVersion.toString(16)}`);
    if (login.integratedSecurity && !isNegotiate(login.sspi)) throw unsupported('Windows login by other than NTLM');
  }
}

function agreedPacketSize(wanted: number): number {
  return wanted === 0 ? defaultPacketSize : Math.min(Math.max(wanted, 512), 32_767);
}

function writeWelcome(
  tokens: ByteWriter,
  welcome: HandshakeOptions & { session: ServerSession; login: Login7; packetSize: number },
): void {
  const { session, login, packetSize, serverName, version } = welcome;
  const database = session.database.name;
  writeEnvironmentText(tokens, environment.database, database, 'master');
  writeMessage(tokens, 'info', message(5701, database), serverName);
  writeEnvironmentBytes(tokens, environment.collation, collation, Buffer.alloc(0));
  writeEnvironmentText(tokens, environment.language, language, '');
  writeMessage(tokens, 'info', message(5703, language), serverName);
  writeLoginAck(tokens, { tdsVersion: Math.min(login.tdsVersion, tds74), version });
  writeEnvironmentText(tokens, environment.packetSize, String(packetSize), String(defaultPacketSize));
  if (login.features.length > 0) writeFeatureAck(tokens);
  writeDone(tokens, doneToken.done, 0, noCommand, 0n);
}
