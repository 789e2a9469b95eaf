import { expect, it } from '@jest/globals';
import { DatabasesInMaking } from './databases-in-making.ts';

it('gives a name to one after the other, in any case of letters', async () => {
  const making = new DatabasesInMaking();
  const release = await making.take('Orders');
  expect([making.has('ORDERS'), making.has('Billing')]).toEqual([true, false]);
  const order: string[] = [];
  const second = making.take('orders').then(given => {
    order.push('second');
    return given;
  });
  await making.take('Billing');
  order.push('another');
  release();
  (await second)();
  expect([order, making.has('Orders')]).toEqual([['another', 'second'], false]);
});

it('gives the lowest id that is free, and has it back when nothing came of it', async () => {
  const making = new DatabasesInMaking();
  const list = [{ id: 1 }, { id: 5 }];
  const release = await making.take('Orders');
  await making.take('Billing');
  expect([making.takeId('Orders', list), making.takeId('billing', list)]).toEqual([6, 7]);
  release();
  await making.take('Reports');
  expect(making.takeId('Reports', list)).toBe(6);
  expect(() => making.takeId('Orders', list)).toThrow('not taken');
});
