import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Contender, Contest } from './contenders.ts';
import { kinds, openPlace, type Place } from '../src/testing/places.ts';

// A heartbeat of a second and six without one are what a service takes; the protocol is the same with a fortieth of it.
const times = { beatEveryMs: 50, replaceAfterMs: 400 };
// Windows can neither freeze a process nor say when it started.
const posix = process.platform === 'win32' ? describe.skip : describe;

const long = process.env['HOLDFAST_TESTS'] === 'long';

/** Tokens never go down: at no time did two leaders commit, and nothing of an older one came after a newer one's. */
function expectRising(tokens: readonly number[]): void {
  expect(tokens.filter((token, at) => token < (tokens[at - 1] ?? 0))).toEqual([]);
}

describe.each(kinds)('on %s', kind => {
  let place: Place;
  let contest: Contest;
  beforeAll(async () => {
    place = await openPlace(kind);
  });
  afterEach(() => contest.close());
  afterAll(() => place.close());

  posix('a leader that is frozen', () => {
    it.each([
      ['in the middle of its writing', { freezes: 'between' }],
      ['while it has nothing to do', { idle: true }],
    ] as const)('%s is replaced, and commits nothing when it wakes', async (_when, options) => {
      contest = new Contest(await place.fresh(), times);
      const first = contest.enter(options);
      await first.says('leads');
      const second = contest.enter();
      await second.says('waits');
      first.signal('SIGSTOP');
      expect(await second.says('wrote')).toMatchObject({ token: 2 });
      // It would follow a dead leader at once, and a frozen one never: what frees itself later must not count as either.
      const third = contest.enter({ replaceAfterMs: 600_000 });
      await third.says('waits');
      first.child.stdin?.write('go on\n');
      first.signal('SIGCONT');
      const { refused, committed } = await first.says('superseded');
      expect(refused).toBeGreaterThanOrEqual(20);
      expect(await first.exit).toEqual([3, null]);
      const written = await contest.written();
      expectRising(written);
      // Nothing it took for committed is missing either.
      expect(written.filter(token => token === 1)).toHaveLength(committed);
      // That the frozen one ended frees nothing: the second leads on.
      expect(third.find('leads')).toBeUndefined();
      expect(second.find('superseded')).toBeUndefined();
    });

    it('inside a transaction keeps the store locked: its successor names it, ends it and leads', async () => {
      contest = new Contest(await place.fresh(), times);
      const first = contest.enter({ freezes: 'inside' });
      await first.says('leads');
      const second = contest.enter({ blockedLimitMs: 300 });
      const { why } = await second.says('blocked');
      expect(why).toContain(kind === 'sqlite' ? `pid ${String(first.pid)} ` : '(holdfast-store 1, from ');
      expect(await second.says('wrote')).toMatchObject({ token: 2 });
      if (kind === 'sqlite') {
        expect(await first.exit).toEqual([null, 'SIGKILL']);
      } else {
        // Its session was ended: it finds that out when it wakes.
        first.signal('SIGCONT');
        expect(await first.says('superseded')).toMatchObject({ committed: 0 });
      }
      expect(new Set(await contest.written())).toEqual(new Set([2]));
    });

    // The rule itself is in stall-watch.test.ts; here it costs the time that must have no effect.
    (long ? it : it.skip)(
      'together with the one that waits for it stays the leader, however long that was (in test:long)',
      async () => {
        contest = new Contest(await place.fresh(), times);
        const first = contest.enter();
        await first.says('wrote');
        const second = contest.enter({ replaceAfterMs: 800 });
        await second.says('waits');
        first.signal('SIGSTOP');
        await pass(200);
        second.signal('SIGSTOP');
        await pass(1_500);
        second.signal('SIGCONT');
        first.signal('SIGCONT');
        for (let writes = 0; writes < 50; writes += 1) await progress(contest);
        expect(second.find('leads')).toBeUndefined();
      },
    );
  });

  describe('a leader that is killed', () => {
    it('is followed at once, by one of three who wait', async () => {
      const replaceAfterMs = 60_000;
      contest = new Contest(await place.fresh(), { beatEveryMs: 1_000, replaceAfterMs });
      const first = contest.enter();
      await first.says('wrote');
      const waiting = [contest.enter(), contest.enter(), contest.enter()];
      await Promise.all(waiting.map(contender => contender.says('waits')));
      const killedAt = performance.now();
      first.signal('SIGKILL');
      await Promise.race(waiting.map(contender => contender.says('leads')));
      expect(performance.now() - killedAt).toBeLessThan(replaceAfterMs);
      expect(waiting.filter(contender => contender.find('leads') !== undefined)).toHaveLength(1);
      expectRising(await contest.written());
    });
  });

  posix('three replicas that are frozen, woken and killed at random', () => {
    const rounds = long ? (kind === 'sqlite' ? 300 : 60) : 10;
    const seed = Number(process.env['HOLDFAST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

    // On a server it takes what is left of the time for all tests.
    (kind === 'sqlite' || long ? it : it.skip)(
      `never lead side by side: ${String(rounds)} rounds, HOLDFAST_SEED=${String(seed)}`,
      async () => {
        contest = new Contest(await place.fresh(), { beatEveryMs: 20, replaceAfterMs: 150 });
        const random = mulberry32(seed);
        const frozen = new Set<Contender>();
        const start = () => contest.enter({ blockedLimitMs: 100 });
        let living = [start()];
        await living[0]?.says('leads');
        living.push(start(), start());
        for (let round = 0; round < rounds; round += 1) {
          // The leader, and then its thaw, more often than chance has it: the others' fate says little.
          const last = await contest.last();
          const leader = living.find(one => one.find('leads')?.token === last?.token);
          const anyone = living[Math.floor(random() * living.length)]!;
          const [oldest] = frozen;
          const draw = random();
          await injure((draw < 0.4 ? oldest : draw < 0.8 ? leader : undefined) ?? anyone, random(), frozen);
          // Until somebody has written once more: whatever was done, the contest goes on.
          const before = (await contest.last())?.seq;
          while ((await contest.last())?.seq === before) {
            // One that ended, killed or superseded, is started again, as its supervisor would.
            living = living.map(one => (one.hasEnded ? start() : one));
            for (const ended of [...frozen].filter(one => one.hasEnded)) frozen.delete(ended);
            if (living.every(one => frozen.has(one))) await injure(living[0]!, 0, frozen);
            await pass(5);
          }
        }
        expectRising(await contest.written());
        expect((await contest.last())?.token).toBeGreaterThan(1);
      },
      600_000,
    );
  });
});

async function injure(victim: Contender, deed: number, frozen: Set<Contender>): Promise<void> {
  if (frozen.delete(victim)) {
    victim.signal('SIGCONT');
  } else if (deed < 0.6) {
    victim.signal('SIGSTOP');
    frozen.add(victim);
  } else {
    victim.signal('SIGKILL');
    await victim.exit;
  }
}

function pass(ms: number): Promise<unknown> {
  return new Promise(resolve => setTimeout(resolve, ms));
}

/** Until somebody has written once more: whatever was done, the contest goes on. */
async function progress(of: Contest): Promise<void> {
  const before = (await of.last())?.seq;
  while ((await of.last())?.seq === before) await pass(5);
}

function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
