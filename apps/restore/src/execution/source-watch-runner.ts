/**
 * Watches the sources of the newest failover of each group that has recovered its databases: one that works again beside the new copy is a second live copy.
 * Only looks; what it has seen is recorded once and never taken back, because work may have been done there meanwhile. Killed anywhere, the
 * next look finds the same.
 */
import type { ExecutionId } from '@holdfast/domain';
import type { RunnerDefinition } from '@holdfast/service/runner';
import { SqlServerError } from '@holdfast/sqlserver';
import type { Store } from '@holdfast/store';
import { findEstate } from '../estate/estate-store.ts';
import type { RestoreTables } from '../tables.ts';
import type { ExecutionView, SourceRecord } from './execution.ts';
import type { ExecutionCommands } from './execution-commands.ts';
import { findExecution, listRecovered } from './execution-store.ts';
import { isFenced } from './fence.ts';
import type { Instances } from './instance-runner.ts';
import { settled } from './side-by-side.ts';
import { type Source, sourcesOf } from './source.ts';

type Watch = { readonly execution: ExecutionView; readonly back: readonly SourceRecord['instanceId'][] };

export type WatchOptions = {
  readonly store: Store<RestoreTables>;
  readonly commands: ExecutionCommands;
  readonly instances: Pick<Instances, 'probe' | 'source'>;
  readonly clock: () => number;
  /** Between two looks at the same sources. */
  readonly everyMs: number;
};

export function sourceWatchRunner(options: WatchOptions): RunnerDefinition<ExecutionId, Watch, Watch, Watch> {
  const { store, commands, clock, everyMs } = options;
  // Every commit wakes the loop; a host that is gone must not be asked at each of them.
  const lookedAtMs = new Map<ExecutionId, number>();
  return {
    name: 'source-watch',
    subjects: async () => {
      const recovered = await store.read(listRecovered);
      for (const executionId of lookedAtMs.keys()) if (!recovered.includes(executionId)) lookedAtMs.delete(executionId);
      return recovered.filter(executionId => clock() - (lookedAtMs.get(executionId) ?? -Infinity) >= everyMs);
    },
    key: executionId => executionId,
    observe: async executionId => {
      lookedAtMs.set(executionId, clock());
      const { execution, sources } = await load(executionId, store);
      const watched = execution.sources.filter(({ cameBackAt }) => cameBackAt === null);
      const found = watched.map(async record => ((await works(record, sources, options)) ? [record.instanceId] : []));
      return { execution, back: (await settled(found)).flat() };
    },
    decide: watch => (watch.back.length > 0 ? watch : undefined),
    step: () => 'note_back',
    act: watch => Promise.resolve(watch),
    record: async (_decision, { execution, back }) => {
      await commands.noteBack(execution, back);
    },
  };
}

async function load(executionId: ExecutionId, store: Store<RestoreTables>) {
  return store.read(async db => {
    const execution = await findExecution(db, executionId);
    if (execution === undefined) throw new Error(`There is no execution ${executionId}.`);
    const estate = await findEstate(db, execution.groupId, execution.standbyId);
    return { execution, sources: estate === undefined ? [] : sourcesOf(estate) };
  });
}

/** One that was gone must stay silent; one that was fenced must keep its databases off. */
async function works(
  { instanceId, outcome }: SourceRecord,
  sources: readonly Source[],
  { instances }: WatchOptions,
): Promise<boolean> {
  if (outcome === 'DECLARED_UNREACHABLE') {
    const { answer } = await instances.probe(instanceId);
    return answer === 'ANSWERS' || answer === 'REFUSES';
  }
  const source = sources.find(candidate => candidate.instanceId === instanceId);
  if (source === undefined) return false;
  try {
    const { states } = await instances.source(source);
    return [...states.values()].some(state => !isFenced(state));
  } catch (error) {
    // It does not answer: nobody works there.
    if (error instanceof SqlServerError && error.errorClass === 'lost') return false;
    throw error;
  }
}
