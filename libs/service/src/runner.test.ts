import { describe, expect, it } from '@jest/globals';
import { createLogger } from './logger.ts';
import { type CheckpointHook, type RunnerDefinition, type RunnerLoop, runOneStep, startRunner } from './runner.ts';

const logger = createLogger({ service: 'test', level: 'silent' });

/** Counts each subject up to its goal, one step at a time. */
function counting(goals: Record<string, number>) {
  const counts: Record<string, number> = {};
  const problems: string[] = [];
  let failNext = 0;
  const runner: RunnerDefinition<string, number, { subject: string; to: number }, number> = {
    name: 'count',
    subjects: async () => Object.keys(goals),
    key: subject => subject,
    observe: async subject => ((current = subject), counts[subject] ?? 0),
    decide: seen => (seen < (goals[current] ?? 0) ? { subject: current, to: seen + 1 } : undefined),
    step: () => 'raise',
    act: async ({ to }, step) => {
      await step.checkpoint('sent');
      if (failNext > 0) {
        failNext -= 1;
        throw new Error('not now');
      }
      return to;
    },
    record: async ({ subject }, outcome) => {
      counts[subject] = outcome;
    },
    failed: async (subject, error) => {
      problems.push(`${subject}: ${(error as Error).message}`);
    },
  };
  let current = '';
  const failTimes = (times: number): void => {
    failNext = times;
  };
  return { runner, counts, problems, goals, failTimes };
}

async function until(condition: () => boolean): Promise<void> {
  const limit = Date.now() + 5_000;
  while (!condition()) {
    if (Date.now() > limit) throw new Error('the condition never became true');
    await new Promise(resolve => setImmediate(resolve));
  }
}

const options = { clock: Date.now, logger, intervalMs: 60_000, backOffMs: { first: 1, longest: 4 } };

async function withLoop(start: () => RunnerLoop, work: (loop: RunnerLoop) => Promise<void>): Promise<void> {
  const loop = start();
  try {
    await work(loop);
  } finally {
    await loop.stop();
  }
}

describe('one step', () => {
  it('passes its checkpoints in order and says when nothing is left', async () => {
    const { runner, counts } = counting({ a: 1 });
    const seen: string[] = [];
    const hook: CheckpointHook = name => void seen.push(name);
    const step = { signal: new AbortController().signal, clock: Date.now, hook };
    expect(await runOneStep(runner, 'a', step)).toBe(true);
    expect(seen).toEqual(['count/raise/decided', 'count/raise/sent', 'count/raise/acted', 'count/raise/recorded']);
    expect(await runOneStep(runner, 'a', step)).toBe(false);
    expect(counts).toEqual({ a: 1 });
  });
});

describe('the loop', () => {
  it('works on every subject until nothing is left, then waits to be woken', async () => {
    const { runner, counts, goals } = counting({ a: 3 });
    await withLoop(
      () => startRunner(runner, options),
      async loop => {
        await until(() => counts['a'] === 3);
        goals['a'] = 5;
        loop.wake();
        await until(() => counts['a'] === 5);
      },
    );
  });

  it('tries a failing subject again after a pause and tells of it', async () => {
    const { runner, counts, problems, failTimes } = counting({ a: 2 });
    failTimes(3);
    await withLoop(
      () => startRunner(runner, options),
      async loop => {
        await until(() => counts['a'] === 2 && loop.failing().size === 0);
        expect(problems).toEqual(['a: not now', 'a: not now', 'a: not now']);
      },
    );
  });

  it('stops between steps and starts none afterwards', async () => {
    const { runner, counts } = counting({ a: 1_000_000 });
    const loop = startRunner(runner, options);
    await until(() => (counts['a'] ?? 0) > 3);
    await loop.stop();
    const after = counts['a'];
    await new Promise(resolve => setImmediate(resolve));
    expect(counts['a']).toBe(after);
  });

  it('never runs one subject twice at the same time', async () => {
    let running = 0;
    let most = 0;
    let left = 20;
    const runner: RunnerDefinition<string, number, number, void> = {
      name: 'single',
      subjects: async () => ['a', 'a', 'b'],
      key: subject => subject,
      observe: async () => left,
      decide: seen => (seen > 0 ? seen : undefined),
      step: () => 'take',
      act: async () => {
        running += 1;
        most = Math.max(most, running);
        await new Promise(resolve => setImmediate(resolve));
        running -= 1;
      },
      record: async () => {
        left -= 1;
      },
    };
    await withLoop(
      () => startRunner(runner, { ...options, parallel: 2 }),
      async loop => {
        loop.wake();
        await until(() => left <= 0);
      },
    );
    expect(most).toBeLessThanOrEqual(2);
  });

  it('gives each of many subjects its turn, and looks at none again without a cause', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `subject-${index}`);
    const looks: string[] = [];
    const runner: RunnerDefinition<string, undefined, never, void> = {
      name: 'many',
      subjects: async () => names,
      key: subject => subject,
      observe: async subject => {
        await new Promise(resolve => setImmediate(resolve));
        looks.push(subject);
        return undefined;
      },
      decide: () => undefined,
      step: () => 'nothing',
      act: async () => undefined,
      record: async () => undefined,
    };
    await withLoop(
      () => startRunner(runner, { ...options, parallel: 2 }),
      async loop => {
        await until(() => looks.includes('subject-19'));
        await loop.idle();
      },
    );
    expect(looks.toSorted()).toEqual(names.toSorted());
  });

  it('lets a subject that never comes to an end give its place to those that wait', async () => {
    const steps = new Map<string, number>();
    const runner: RunnerDefinition<string, string, string, void> = {
      name: 'endless',
      subjects: async () => ['first', 'second', 'third'],
      key: subject => subject,
      observe: async subject => subject,
      decide: subject => subject,
      step: () => 'work',
      act: async () => new Promise(resolve => setImmediate(resolve)),
      record: async subject => {
        steps.set(subject, (steps.get(subject) ?? 0) + 1);
      },
    };
    await withLoop(
      () => startRunner(runner, { ...options, parallel: 1 }),
      () => until(() => (steps.get('third') ?? 0) >= 5),
    );
    // Turn by turn, whoever was there first.
    expect(Math.max(...steps.values()) - Math.min(...steps.values())).toBeLessThanOrEqual(1);
  });
});
