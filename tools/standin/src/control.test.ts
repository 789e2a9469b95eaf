import { expect, it } from '@jest/globals';
import { startControl } from './control.ts';

it('answers health and statistics, and refuses what is not built', async () => {
  const control = await startControl({
    port: 0,
    health: () => ({ ready: true }),
    statistics: () => ({ statements: 3 }),
  });
  const ask = async (path: string, method = 'GET'): Promise<[number, unknown]> => {
    const response = await fetch(`http://127.0.0.1:${control.port}${path}`, { method });
    return [response.status, await response.json()];
  };
  expect(await ask('/health')).toEqual([200, { ready: true }]);
  expect(await ask('/statistics')).toEqual([200, { statements: 3 }]);
  expect(await ask('/faults', 'POST')).toEqual([501, { error: 'faults are not built yet' }]);
  expect((await ask('/else'))[0]).toBe(404);
  await control.close();
});
