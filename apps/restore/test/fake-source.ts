import type { InstanceId } from '@holdfast/domain';
import type { MarkName } from '@holdfast/domain/mark';
import { statements } from '@holdfast/sqlserver';
import type { Estate } from '../src/estate/estate.ts';
import type { JobRun, Question, SeenJob, SeenMore, SeenSource, SeenUnit, Source } from '../src/execution/source.ts';
import type { Instances, Locked } from '../src/execution/instance-runner.ts';
import { serverError, sourceId } from './estate-of-two.ts';

type Sent = { readonly database?: string; readonly enabled?: boolean; readonly unitOfWork?: string };
export type FakeSource = ReturnType<typeof fakeSource>;

/** A source instance in memory that answers: its databases, its Backup job, and what it was sent. */
export function fakeSource({ group }: Estate, instanceId: InstanceId = sourceId) {
  const states = new Map(
    group.databases.filter(database => database.instanceId === instanceId).map(({ name }) => [name, 'ONLINE'] as const),
  ) as Map<string, string>;
  const job: { seen: SeenJob | null } = {
    seen: { name: 'Backup BizTalk Server (BizTalkMgmtDb)', enabled: true, running: false },
  };
  const more = { sessions: [] as string[], units: [] as SeenUnit[], runs: [] as JobRun[], marks: [] as MarkName[] };
  const sent: string[] = [];
  const faults = { failNext: undefined as Error | undefined };
  const look = async ({ databases, management }: Source, question?: Question | null): Promise<SeenSource> => ({
    states: new Map(
      databases.map(({ databaseId, databaseName }) => [databaseId, states.get(databaseName) ?? null] as const),
    ),
    job: management === null ? null : job.seen,
    more: answer(question ?? null),
  });
  const answer = (question: Question | null): SeenMore | null => {
    if (question === null) return null;
    if (question.kind === 'SESSIONS') return { kind: 'SESSIONS', sessions: more.sessions };
    if (question.kind === 'UNITS') return { kind: 'UNITS', units: more.units };
    if (question.kind === 'MARKS') return { kind: 'MARKS', marks: more.marks };
    return { kind: 'RUNS', runs: more.runs.filter(({ historyId }) => historyId > question.afterId) };
  };
  const run = (name: string, parameters: object) => {
    const { database = '', enabled = false, unitOfWork = '' } = parameters as Sent;
    sent.push(`${name} ${database}${unitOfWork}${name === statements.enableJob.name ? String(enabled) : ''}`);
    const failure = faults.failNext;
    faults.failNext = undefined;
    if (failure !== undefined) throw failure;
    if (name === statements.setOffline.name) states.set(database, 'OFFLINE');
    else if (name === statements.rollBackUnit.name) {
      if (!more.units.some(unit => unit.unitOfWork === unitOfWork)) throw serverError(6110, 'state');
      more.units = more.units.filter(unit => unit.unitOfWork !== unitOfWork);
    } else if (name === statements.setOnline.name) states.set(database, 'ONLINE');
    else if (name === statements.startJob.name && job.seen !== null) job.seen = { ...job.seen, running: true };
    else if (name === statements.enableJob.name && job.seen !== null) job.seen = { ...job.seen, enabled };
    else throw new Error(`Nothing is known of ${name}.`);
  };

  const line: Locked = {
    look: async () => {
      throw new Error('This is a source.');
    },
    source: look,
    exclusive: {
      programName: 'fake',
      holds: () => true,
      release: async () => undefined,
      beside: async () => line.exclusive,
      run: async (statement, parameters) => {
        run(statement.name, parameters);
        return { rows: [], messages: [] };
      },
    },
    beside: async () => line,
  };
  /** The instances of a standby, with this one beside them. */
  const beside = (others: Instances): Instances => ({
    ...others,
    probe: async asked =>
      asked === instanceId ? { answer: 'ANSWERS', evidence: 'It accepted a connection.' } : others.probe(asked),
    source: async (source, question) =>
      source.instanceId === instanceId ? look(source, question) : others.source(source, question),
    locked: async (execution, asked, signal, work) =>
      asked === instanceId ? work(line) : others.locked(execution, asked, signal, work),
  });
  return { states, job, more, sent, faults, beside };
}
