/** For tests: an instance with an Agent whose clock stands until the test moves it. */
import { createRegistry, registerCatalogue } from '../catalogue/catalogue.ts';
import { InstanceClock } from '../clock.ts';
import { collect, startFixture, type Collected, type Fixture, type TestSession } from '../engine/engine-fixture.ts';
import { createExecutor } from '../sql/executor.ts';
import type { Executor, Login } from '../contract.ts';
import { Agent } from './agent.ts';
import { registerAgent } from './register-agent.ts';

export type AgentFixture = {
  readonly instance: Fixture;
  readonly clock: InstanceClock;
  readonly agent: () => Agent;
  /** Mistakes of the stand-in that were reported. */
  readonly mistakes: unknown[];
  run(text: string, session?: TestSession): Promise<Collected>;
  /** Fails on any error. */
  rows(text: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  errors(text: string, session?: TestSession): Promise<readonly string[]>;
  /** Moves the clock, lets the Agent look, waits until nothing runs. */
  at(time: string): Promise<void>;
  moveTo(time: string): Promise<void>;
  session(): TestSession;
  restart(): Promise<void>;
  end(): Promise<void>;
};

export type AgentFixtureOptions = { readonly running?: boolean; readonly logins?: readonly Login[] };

export async function startAgentFixture(start: string, options: AgentFixtureOptions = {}): Promise<AgentFixture> {
  const clock = new InstanceClock({ startAt: new Date(start), rate: 0 });
  const logins = options.logins === undefined ? {} : { logins: options.logins };
  const instance = await startFixture({
    clock: clock.now,
    waitUntil: (moment, signal, sleeper) => clock.waitUntil(moment, signal, sleeper),
    ...logins,
  });
  const mistakes: unknown[] = [];
  const open = async (): Promise<{ agent: Agent; executor: Executor; session: TestSession }> => {
    const engine = instance.engine();
    const registry = createRegistry();
    registerCatalogue(registry, engine);
    const report = (mistake: unknown): void => void mistakes.push(mistake);
    const agent = new Agent({ engine, clock, running: options.running ?? true, report });
    registerAgent(registry, agent);
    const executor = createExecutor(engine, registry, { write: () => undefined });
    await agent.start(executor);
    return { agent, executor, session: instance.session() };
  };
  let parts = await open();
  const run = async (text: string, session = parts.session): Promise<Collected> => {
    const sink = collect();
    await parts.executor.batch(session, text, sink);
    return sink;
  };
  const moveTo = async (time: string): Promise<void> => {
    clock.set(new Date(time));
    await parts.agent.look();
  };
  return {
    instance,
    clock,
    agent: () => parts.agent,
    mistakes,
    run,
    rows: async text => {
      const sink = await run(text);
      const failures = sink.messages.filter(message => message.severity > 10);
      if (failures.length > 0) throw new Error(failures.map(failure => failure.text).join(' | '));
      return sink.objects();
    },
    errors: async (text, session) =>
      (await run(text, session)).messages
        .filter(message => message.severity > 10)
        .map(message => `${message.number} ${message.text}`),
    moveTo,
    at: async time => {
      await moveTo(time);
      await parts.agent.idle();
    },
    session: () => instance.session(),
    restart: async () => {
      await parts.agent.close();
      await instance.restart();
      parts = await open();
    },
    end: async () => {
      await parts.agent.close();
      await instance.end();
    },
  };
}
