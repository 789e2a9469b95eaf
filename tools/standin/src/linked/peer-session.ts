/** The answering side of one peer connection: a session of this instance that another instance's session works in. */
import { AnswerSink } from './answer-sink.ts';
import { declarations } from './declarations.ts';
import { message, SqlError } from '../messages.ts';
import { RequestAborted } from '../engine/request-aborted.ts';
import type { Answers, PeerCall, PeerReply, RunAnswer } from './peer-protocol.ts';
import type { LocalEngine } from '../engine/engine.ts';
import type { AbortReason, Executor, RemoteRequest, RpcParameter, SqlFailure } from '../contract.ts';
import type { ServerSession } from '../session.ts';

/** What sessions need of the server that keeps the list of them. */
export type SessionDoor = {
  /** Throws SqlError (18456, 4060). `close`: for KILL while nothing runs. */
  openSession(login: string, client: Pick<ServerSession, 'hostName' | 'programName'>, close: () => void): ServerSession;
  endSession(session: ServerSession): Promise<void>;
};

export type PeerHost = {
  readonly engine: LocalEngine;
  readonly executor: Executor;
  readonly door: SessionDoor;
  readonly passed: (place: string) => void;
};

/** What sys.dm_exec_sessions shows for the session of a linked server (unverified). */
const programName = 'Microsoft SQL Server';

const maxText = { name: 'nvarchar', length: 'max' } as const;

export class PeerSession {
  readonly #host: PeerHost;
  readonly #close: () => void;
  #session: ServerSession | undefined;

  constructor(host: PeerHost, close: () => void) {
    this.#host = host;
    this.#close = close;
  }

  get killed(): boolean {
    return this.#session?.killed === true;
  }

  abort(reason: AbortReason): void {
    this.#session?.abort(reason);
  }

  /** Rolls back what is not prepared; what is, belongs to no session any more. */
  async end(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    if (session !== undefined) await this.#host.door.endSession(session);
  }

  async reply(call: PeerCall): Promise<PeerReply> {
    try {
      const answer = await this.#answer(call);
      return this.killed ? killed() : { kind: 'answer', answer };
    } catch (error) {
      if (this.killed) return killed();
      if (isFailure(error)) return { kind: 'failed', messages: error.messages, scope: error.scope };
      if (error instanceof RequestAborted || this.#session?.signal.aborted === true) return { kind: 'cancelled' };
      throw error;
    }
  }

  async #answer(call: PeerCall): Promise<Answers[keyof Answers]> {
    const { branches } = this.#host.engine;
    switch (call.kind) {
      case 'open': {
        const client = { hostName: call.hostName, programName };
        this.#session = this.#host.door.openSession(call.login, client, this.#close);
        return { spid: this.#session.spid };
      }
      case 'enlist':
        branches.enlist(this.#opened, call.id);
        return {};
      case 'run':
        return this.#run(this.#opened, call);
      case 'prepare':
        return { vote: await this.#prepare(this.#opened, call) };
      case 'abort':
        await this.#rollBack(this.#opened);
        await branches.settle(call.decision, 'aborted');
        return {};
      case 'settle': {
        const resolved = await branches.settle(call.decision, call.outcome);
        if (resolved !== undefined) await branches.heard(call.decision, call.outcome);
        return { done: branches.complete, ...(resolved === undefined ? {} : { resolved }) };
      }
      case 'outcome':
        return { outcome: branches.outcome(call.decision) };
      case 'acknowledge':
        if (call.resolved !== undefined) await branches.resolvedElsewhere(call.decision, call.instance, call.resolved);
        branches.acknowledged(call.decision, call.instance);
        return {};
    }
  }

  get #opened(): ServerSession {
    if (this.#session === undefined) throw new Error('a call that needs a session came before "open"');
    return this.#session;
  }

  async #run(session: ServerSession, call: Extract<PeerCall, { kind: 'run' }>): Promise<RunAnswer> {
    const part = session.transaction;
    session.options.lockTimeoutMs = call.lockTimeoutMs;
    session.options.xactAbort = call.xactAbort;
    const { request } = call;
    const sink = new AnswerSink();
    session.startRequest(request.text, this.#host.engine.clock());
    let outputs: RunAnswer['outputs'] = [];
    try {
      outputs = await this.#execute(session, request, sink);
      session.signal.throwIfAborted();
      await balance(session, part !== undefined, sink);
    } finally {
      session.endRequest();
    }
    const { resultSets, rowCount, infos, errors } = sink;
    return {
      resultSets,
      rowCount,
      infos,
      errors,
      outputs,
      enlisted: part !== undefined && session.transaction === part,
    };
  }

  async #execute(session: ServerSession, request: RemoteRequest, sink: AnswerSink): Promise<RunAnswer['outputs']> {
    const { engine, executor } = this.#host;
    const { parameters, text } = request;
    try {
      await engine.use(session, request.database);
      if (parameters.length === 0) {
        await executor.batch(session, text, sink);
        return [];
      }
      const { outputs } = await executor.call(session, 'sp_executesql', callOf(text, parameters), sink);
      return outputs.map(({ name, value }) => [name, value] as const);
    } catch (error) {
      if (!isFailure(error)) throw error;
      for (const each of error.messages) sink.error(each);
      return [];
    }
  }

  async #prepare(
    session: ServerSession,
    { id }: Extract<PeerCall, { kind: 'prepare' }>,
  ): Promise<'prepared' | 'read only'> {
    session.startRequest('', this.#host.engine.clock());
    try {
      return await this.#host.engine.branches.prepare(session, id);
    } catch (failure) {
      await this.#rollBack(session);
      throw failure;
    } finally {
      session.endRequest();
    }
  }

  async #rollBack(session: ServerSession): Promise<void> {
    await session.transaction?.rollback();
    session.transaction = undefined;
    session.nesting = 0;
  }
}

/** A batch must leave as many transactions open as it found (266); without a part of its own that is none. */
async function balance(session: ServerSession, enlisted: boolean, sink: AnswerSink): Promise<void> {
  const before = enlisted ? 1 : 0;
  const { nesting } = session;
  if (nesting === before || (enlisted && session.transaction === undefined)) return;
  sink.error(message(266, before, nesting));
  if (enlisted) {
    session.nesting = before;
    return;
  }
  await session.transaction?.rollback();
  session.transaction = undefined;
  session.nesting = 0;
}

function callOf(text: string, parameters: readonly RpcParameter[]): readonly RpcParameter[] {
  const own = [text, declarations(parameters)];
  return [...own.map(value => ({ name: '', output: false, value: { type: maxText, value } })), ...parameters];
}

function killed(): PeerReply {
  return { kind: 'failed', messages: [message(596)], scope: 'connection' };
}

function isFailure(error: unknown): error is SqlFailure {
  return error instanceof SqlError;
}
