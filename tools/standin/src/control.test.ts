import { expect, it } from '@jest/globals';
import { InstanceClock } from './clock.ts';
import { ClockControl } from './clock-control.ts';
import { startControl } from './control.ts';
import { FaultSwitches } from './faults/fault-switches.ts';

async function open(faults = new FaultSwitches()) {
  const control = await startControl({
    port: 0,
    faults,
    clock: new ClockControl({
      clock: new InstanceClock({ startAt: new Date('2026-03-01T00:00:00Z'), rate: 0 }),
      schedules: { lookNow: () => Promise.resolve(), nextDue: () => undefined, settle: () => Promise.resolve([]) },
      mayGoBack: () => false,
    }),
    health: () => ({ ready: true }),
    statistics: () => ({ statements: 3 }),
  });
  const ask = async (path: string, method = 'GET', body?: string): Promise<[number, unknown]> => {
    const response = await fetch(`http://127.0.0.1:${control.port}${path}`, { method, ...(body && { body }) });
    return [response.status, await response.json()];
  };
  return { control, ask };
}

it('answers health and statistics, and names what there is for any other path', async () => {
  const { control, ask } = await open();
  expect(await ask('/health')).toEqual([200, { ready: true }]);
  expect(await ask('/statistics')).toEqual([200, { statements: 3 }]);
  expect(await ask('/else')).toMatchObject([404, { error: { code: 'NO_SUCH_PATH' } }]);
  await control.close();
});

it('shows and moves the clock, and refuses by name', async () => {
  const { control, ask } = await open();
  expect(await ask('/clock')).toEqual([200, { now: '2026-03-01T00:00:00.000Z', rate: 0 }]);
  const moved = { now: '2026-03-01T00:00:01.000Z', rate: 0 };
  expect(await ask('/clock', 'POST', '{"advanceMs":1000}')).toEqual([200, moved]);
  const refused = await ask('/clock', 'POST', '{"setTo":"2026-01-01T00:00:00Z"}');
  expect(refused).toMatchObject([400, { error: { code: 'CLOCK_GOES_BACK', clock: moved } }]);
  expect(await ask('/clock', 'POST', '{')).toMatchObject([400, { error: { code: 'BAD_REQUEST' } }]);
  await control.close();
});

it('sets, lists and clears a fault', async () => {
  const faults = new FaultSwitches();
  const { control, ask } = await open(faults);
  const parameters = { bytesPerSecond: 1_000_000, msPerStatement: 50 };
  const post = (body: unknown) => ask('/faults', 'POST', JSON.stringify(body));
  const listed = async () => {
    const [, { faults: all }] = (await ask('/faults')) as [number, { faults: readonly { name: string }[] }];
    return all.find(({ name }) => name === 'restore-pace');
  };
  expect(await listed()).toMatchObject({ name: 'restore-pace', set: null });
  expect(faults.media.restorePace()).toBeUndefined();
  expect(await post({ name: 'restore-pace', parameters })).toEqual([
    200,
    { name: 'restore-pace', set: parameters, hits: 0 },
  ]);
  expect(await listed()).toMatchObject({
    set: parameters,
    parameters: { bytesPerSecond: { least: 1 }, msPerStatement: { least: 0 } },
  });
  expect(faults.media.restorePace()).toEqual(parameters);
  expect(await ask('/faults/restore-pace', 'DELETE')).toEqual([200, { name: 'restore-pace', set: null, hits: 0 }]);
  expect(faults.media.restorePace()).toBeUndefined();
  await control.close();
});

it('refuses a wrong fault or parameter by name and leaves what is set', async () => {
  const faults = new FaultSwitches();
  const { control, ask } = await open(faults);
  const parameters = { bytesPerSecond: 1_000, msPerStatement: 0 };
  faults.set({ name: 'restore-pace', parameters });
  const refusals = [
    ['{', { code: 'BAD_REQUEST' }],
    ['{"name":"no-such"}', { code: 'UNKNOWN_FAULT' }],
    ['{"name":"restore-pace"}', { code: 'BAD_PARAMETER', parameter: 'bytesPerSecond' }],
    ['{"name":"restore-pace","parameters":[]}', { code: 'BAD_REQUEST' }],
    ...[{ bytesPerSecond: 0 }, { bytesPerSecond: 1.5 }, { msPerStatement: -1 }, { msPerStatement: '5' }].map(
      wrong =>
        [
          JSON.stringify({ name: 'restore-pace', parameters: { ...parameters, ...wrong } }),
          { code: 'BAD_PARAMETER', parameter: Object.keys(wrong)[0] },
        ] as const,
    ),
    [
      JSON.stringify({ name: 'restore-pace', parameters: { ...parameters, bytesPerMinute: 1 } }),
      { code: 'BAD_PARAMETER', parameter: 'bytesPerMinute' },
    ],
  ] as const;
  for (const [body, error] of refusals) expect(await ask('/faults', 'POST', body)).toMatchObject([400, { error }]);
  expect(await ask('/faults/no-such', 'DELETE')).toMatchObject([400, { error: { code: 'UNKNOWN_FAULT' } }]);
  expect(faults.media.restorePace()).toEqual(parameters);
  await control.close();
});
