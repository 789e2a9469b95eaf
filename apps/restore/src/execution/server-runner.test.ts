import { expect, it } from '@jest/globals';
import type { InstanceId } from '@holdfast/domain';
import type { SqlServer } from '@holdfast/sqlserver';
import type { AddressView } from '../estate/estate.ts';
import { KeptServers } from './server-runner.ts';

const instance = 'i' as InstanceId;
const at = (port: number) => ({ address: { port } }) as AddressView;

function servers() {
  const events: string[] = [];
  let opened = 0;
  const kept = new KeptServers(async () => {
    const label = String((opened += 1));
    events.push(`open ${label}`);
    return { label, close: async () => void events.push(`close ${label}`) } as SqlServer;
  });
  return { kept, events, label: (port = 1) => kept.using(instance, at(port), async server => server.label) };
}

it('keeps a connection from one look to the next, until it is closed', async () => {
  const { kept, events, label } = servers();
  expect([await label(), await label()]).toEqual(['1', '1']);
  await kept.close();
  expect(events).toEqual(['open 1', 'close 1']);
});

it('connects anew after an error and for another address', async () => {
  const { kept, events, label } = servers();
  const failed = kept.using(instance, at(1), () => Promise.reject(new Error('cut')));
  await expect(failed).rejects.toThrow('cut');
  expect([await label(), await label(2)]).toEqual(['2', '3']);
  expect(events).toEqual(['open 1', 'close 1', 'open 2', 'open 3', 'close 2']);
});

it('closes none that somebody still works with', async () => {
  const { kept, events, label } = servers();
  const working = Promise.withResolvers<undefined>();
  const long = kept.using(instance, at(1), () => working.promise);
  await expect(kept.using(instance, at(1), () => Promise.reject(new Error('cut')))).rejects.toThrow('cut');
  expect(await label()).toBe('2');
  expect(events).toEqual(['open 1', 'open 2']);
  working.resolve(undefined);
  await long;
  expect(events).toEqual(['open 1', 'open 2', 'close 1']);
});
