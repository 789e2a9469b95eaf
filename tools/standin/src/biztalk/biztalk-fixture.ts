/** For tests: an instance with BizTalk's objects and an Agent, whose clock stands until the test moves it. */
import { Agent } from '../agent/agent.ts';
import { registerAgent } from '../agent/register-agent.ts';
import { createRegistry, registerCatalogue } from '../catalogue/catalogue.ts';
import { collect, startFixture, type Collected, type TestSession } from '../engine/engine-fixture.ts';
import { createExecutor } from '../sql/executor.ts';
import type { EngineOptions } from '../engine/options.ts';
import type { Engine, Message } from '../contract.ts';
import { registerBizTalk } from './biztalk.ts';

type Rows = readonly Readonly<Record<string, unknown>>[];

export type BizTalkFixture = {
  /** The folder behind `\\share\bts`. */
  readonly share: string;
  readonly engine: Engine;
  session(): TestSession;
  run(text: string, session?: TestSession): Promise<Collected>;
  /** Fails on any error. */
  rows(text: string, session?: TestSession): Promise<Rows>;
  errors(text: string, session?: TestSession): Promise<readonly string[]>;
  setClock(time: string): void;
  /** Moves the clock, lets the Agent look, waits until nothing runs. */
  at(time: string): Promise<void>;
  end(): Promise<void>;
};

export async function startBizTalkFixture(
  start: string,
  databases: readonly string[],
  part: Partial<EngineOptions> = {},
): Promise<BizTalkFixture> {
  let now = new Date(start);
  const instance = await startFixture({ clock: () => now, ...part });
  const engine = instance.engine();
  const registry = createRegistry();
  registerCatalogue(registry, engine);
  registerBizTalk(registry, engine);
  const mistakes: unknown[] = [];
  const agent = new Agent({ engine, running: true, report: mistake => void mistakes.push(mistake) });
  registerAgent(registry, agent);
  const executor = createExecutor(engine, registry, { write: () => undefined });
  await agent.start(executor);
  const first = instance.session();
  const run = async (text: string, session = first): Promise<Collected> => {
    const sink = collect();
    await executor.batch(session, text, sink);
    return sink;
  };
  const rows = async (text: string, session = first): Promise<Rows> => {
    const sink = await run(text, session);
    const failures = errorsOf(sink);
    if (failures.length > 0) throw new Error(failures.map(({ text: failure }) => failure).join(' | '));
    return sink.objects();
  };
  for (const name of databases) await rows(`CREATE DATABASE ${name}`);
  return {
    share: `${instance.folder}/share`,
    engine,
    session: () => instance.session(),
    run,
    rows,
    errors: async (text, session = first) =>
      errorsOf(await run(text, session)).map(({ number, text: failure }) => `${number} ${failure}`),
    setClock: time => {
      now = new Date(time);
    },
    at: async time => {
      now = new Date(time);
      await agent.look();
      await agent.idle();
    },
    end: async () => {
      await agent.close();
      await instance.end();
      if (mistakes.length > 0) throw new Error('the Agent made mistakes', { cause: mistakes });
    },
  };
}

function errorsOf({ messages }: Collected): readonly Message[] {
  return messages.filter(({ severity }) => severity > 10);
}
