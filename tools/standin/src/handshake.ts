import type { Socket } from 'node:net';
import { SqlError, message, unsupported } from './messages.ts';
import { ProtocolError, type ByteWriter } from './protocol/bytes.ts';
import { collation } from './protocol/code-page.ts';
import { parseLogin7, type Login7 } from './protocol/login7.ts';
import { MessageWriter } from './protocol/message-writer.ts';
import { packet, packetType, type IncomingMessage } from './protocol/packets.ts';
import { encryption, parsePrelogin, renderPrelogin } from './protocol/prelogin.ts';
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
} from './protocol/tokens.ts';
import type { ServerSession } from './session.ts';

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
  /** Throws SqlError (18456, 4060 …). */
  readonly logIn: (login: Login7, close: () => void) => ServerSession;
};

/** PRELOGIN and LOGIN7 (sqlserver.md §8.7). */
export class Handshake {
  readonly #options: HandshakeOptions;
  #prelogin: { readonly encryption: number } | undefined;

  constructor(options: HandshakeOptions) {
    this.#options = options;
  }

  /** 'refused': the answer is written, the connection closes. */
  step(incoming: IncomingMessage, socket: Socket): LoggedIn | 'continue' | 'refused' {
    if (incoming.type === packetType.prelogin && this.#prelogin === undefined) {
      this.#prelogin = parsePrelogin(incoming.payload);
      // No TLS here, and that is what every client is told; one that insists leaves by itself, or is refused at its login.
      const answer = renderPrelogin({ version: this.#options.version, encryption: encryption.notSupported });
      socket.write(packet(answer, 1, 0, true));
      return 'continue';
    }
    if (incoming.type !== packetType.login7) throw new ProtocolError(`packet type ${incoming.type} before the login`);
    const writer = new MessageWriter(socket, 0, defaultPacketSize);
    const login = parseLogin7(incoming.payload);
    try {
      this.#requireSupported(login);
      const session = this.#options.logIn(login, () => socket.destroy());
      const packetSize = agreedPacketSize(login.packetSize);
      writeWelcome(writer.tokens, { ...this.#options, session, login, packetSize });
      writer.end();
      return { session, packetSize };
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      this.#writeRefusal(writer.tokens, login, error);
      writer.end();
      return 'refused';
    }
  }

  #writeRefusal(tokens: ByteWriter, login: Login7, error: SqlError): void {
    const { serverName } = this.#options;
    if (login.tdsVersion < tds72) {
      for (const each of error.messages) writeOldRefusal(tokens, each, serverName);
      return;
    }
    for (const each of error.messages) writeMessage(tokens, 'error', each, serverName);
    writeDone(tokens, doneToken.done, doneStatus.error, noCommand, 0n);
  }

  #requireSupported(login: Login7): void {
    const wanted = this.#prelogin?.encryption;
    if (wanted === encryption.on || wanted === encryption.required) throw unsupported('encrypted connection');
    if (login.tdsVersion < oldestTds) throw unsupported(`TDS version 0x${login.tdsVersion.toString(16)}`);
    if (login.integratedSecurity) throw unsupported('Windows login');
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
