import { expect, it } from '@jest/globals';
import type { ExecutionId } from '@holdfast/domain';
import type { StepDecision } from './change.ts';
import type { AsOf, Recorded } from './execution-commands.ts';
import { openJournal } from './journal.ts';

const executionId = 'e' as ExecutionId;
const decision: StepDecision = () => undefined;

/** Records that wait until they are answered. */
function slowRecords() {
  const begun: { readonly asOf: AsOf; readonly count: number; answer(recorded: Recorded): void }[] = [];
  const noted: number[] = [];
  const journal = openJournal(
    { executionId, version: 1 },
    {
      decideSteps: (asOf, decisions) => {
        const { promise, resolve } = Promise.withResolvers<Recorded>();
        begun.push({ asOf, count: decisions.length, answer: resolve });
        return promise;
      },
    },
    ({ version }) => noted.push(version),
  );
  const until = async (count: number) => {
    while (begun.length < count) await new Promise(resolve => setImmediate(resolve));
  };
  return { journal, begun, noted, until };
}

it('records together what comes in one turn, and what comes while a record is written', async () => {
  const { journal, begun, noted, until } = slowRecords();
  const first = [journal.note(decision), journal.note(decision)];
  await until(1);
  const next = [journal.note(decision), journal.note(decision), journal.note(decision)];
  begun[0]!.answer({ executionId, version: 2 });
  expect(await Promise.all(first)).toEqual([true, true]);
  await until(2);
  begun[1]!.answer({ executionId, version: 3 });
  expect(await Promise.all(next)).toEqual([true, true, true]);
  expect(begun.map(({ asOf, count }) => [asOf.version, count])).toEqual([
    [1, 2],
    [2, 3],
  ]);
  expect(noted).toEqual([2, 3]);
});

it('records nothing more once somebody else has moved the execution', async () => {
  const { journal, begun, until } = slowRecords();
  const first = journal.note(decision);
  await until(1);
  const next = journal.note(decision);
  begun[0]!.answer('OVERTAKEN');
  expect([await first, await next, await journal.note(decision)]).toEqual([false, false, false]);
  expect(begun).toHaveLength(1);
});
