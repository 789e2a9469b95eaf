import { expect, it } from '@jest/globals';
import { startControl } from './control.ts';
import { FaultSwitches } from './fault-switches.ts';

async function open(faults = new FaultSwitches()) {
  const control = await startControl({
    port: 0,
    faults,
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

it('sets, lists and clears a fault', async () => {
  const faults = new FaultSwitches();
  const { control, ask } = await open(faults);
  const parameters = { bytesPerSecond: 1_000_000, msPerStatement: 50 };
  const post = (body: unknown) => ask('/faults', 'POST', JSON.stringify(body));
  const listed = async () => (await ask('/faults'))[1];
  expect(await listed()).toMatchObject({ faults: [{ name: 'restore-pace', set: null }] });
  expect(faults.restorePace()).toBeUndefined();
  expect(await post({ name: 'restore-pace', parameters })).toEqual([200, { name: 'restore-pace', set: parameters }]);
  expect(await listed()).toMatchObject({
    faults: [{ set: parameters, parameters: { bytesPerSecond: { least: 1 }, msPerStatement: { least: 0 } } }],
  });
  expect(faults.restorePace()).toEqual(parameters);
  expect(await ask('/faults/restore-pace', 'DELETE')).toEqual([200, { name: 'restore-pace', set: null }]);
  expect(faults.restorePace()).toBeUndefined();
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
  expect(faults.restorePace()).toEqual(parameters);
  await control.close();
});
