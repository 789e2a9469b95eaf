import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type Bus,
  createEmbeddedBus,
  type Envelope,
  type EventCodec,
  type EventShape,
  type MessagingTables,
  on,
} from '@holdfast/messaging';
import { openStore } from '@holdfast/store';
import { createSubgraphHost, type HostDependencies, type HostOverrides } from './host.ts';
import type { Service } from './lifecycle.ts';
import { createLogger } from './logger.ts';
import type { Rebuilt } from './rebuild.ts';

type Told = { readonly key: string; readonly n: number };
type Tables = MessagingTables & { heard: { key: string; n: number }; answer: { id: number; text: string } };

const contractOf = <Payload extends { readonly key: string }>(type: string, topic: string): EventShape<Payload> => ({
  type,
  topic,
  schema: { safeParse: value => ({ success: true, data: value as Payload }) },
  key: ({ key }) => key,
  subject: ({ key }) => key,
});
const told = contractOf<Told>('test.thing.told.v1', 'test.teller.v1');
const answered = contractOf<Told>('test.thing.answered.v1', 'test.listener.v1');
const codec: EventCodec = {
  render: (contract, payload, stamp) => ({
    ...stamp,
    type: contract.type,
    subject: '',
    partitionkey: contract.key(payload),
    data: payload,
  }),
  parse: (contract, value) => {
    const { data, ...envelope } = value as Envelope & { data: unknown };
    const checked = contract.schema.safeParse(data);
    return checked.success ? { ok: true, payload: checked.data, envelope } : { ok: false, problem: 'no' };
  },
};

let folder: string;
let bus: Bus;
const started: Service[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-rebuild-'));
  mkdirSync(join(folder, 'migrations'));
  writeFileSync(
    join(folder, 'migrations', '0001-own.sqlite.sql'),
    '-- expand\ncreate table heard (key text primary key, n integer not null) strict;\ncreate table answer (id integer primary key, text text not null) strict;\n',
  );
  bus = createEmbeddedBus();
});
afterEach(async () => {
  for (const service of started.splice(0).reverse()) await service.stop();
  await bus.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Tells, and what it hears it keeps and answers, once each. */
function serviceOf(
  name: 'teller' | 'listener',
  overrides: HostOverrides,
  keep?: (d: HostDependencies<Tables>) => void,
) {
  const logger = createLogger({ service: name, level: 'error' });
  const service = createSubgraphHost<Tables, object>({
    name,
    config: { http: { host: '127.0.0.1', port: 0 }, stateFolder: folder, signingKey: 'env:NONE' },
    overrides: { signingKey: Buffer.from('k'), logger, ...overrides },
    schemaText: 'type Query { a: Int }',
    migrations: pathToFileURL(join(folder, 'migrations/')),
    codec,
    publishes: [name === 'teller' ? told : answered],
    parks: contractOf('test.event.parked.v1', 'test.dead-letter'),
    resolvers: {},
    context: () => ({}),
    runners: dependencies => {
      keep?.(dependencies);
      return [];
    },
    ...(name === 'listener' && { reactions, projections: { heard: ['key'] } }),
  });
  started.push(service);
  return service;
}

const reactions = ({ outbox }: HostDependencies<Tables>) => {
  const hear = async (tx: Parameters<Parameters<typeof on<Tables, Told>>[1]>[0], { key, n }: Told): Promise<void> => {
    await tx.dialect.upsert(tx.insertInto('heard').values({ key, n }), { key: ['key'], columns: ['n'] }).execute();
  };
  return [
    on<Tables, Told>(
      told,
      async (tx, payload) => {
        await hear(tx, payload);
        await tx.insertInto('answer').values({ id: payload.n, text: payload.key }).execute();
        await outbox.append(tx, answered, payload);
      },
      hear,
    ),
  ];
};

async function tables() {
  const store = openStore<Tables>({ file: join(folder, 'listener.db') });
  const contents = await store.read(async db => ({
    heard: await db.selectFrom('heard').selectAll().orderBy('key').execute(),
    answers: await db.selectFrom('answer').select('id').orderBy('id').execute(),
    said: (await db.selectFrom('outbox').select('seq').execute()).length,
  }));
  await store.close();
  return contents;
}

/** Both services at work until the listener has heard so much. */
async function traffic(events: readonly Told[]): Promise<void> {
  let teller: HostDependencies<Tables> | undefined;
  const both = [serviceOf('teller', { bus }, dependencies => (teller = dependencies)), serviceOf('listener', { bus })];
  for (const service of both) await service.start();
  for (const event of events)
    await teller?.store.transaction(tx => teller?.outbox.append(tx, told, event) ?? Promise.resolve());
  while ((await tables()).answers.length < events.length) await setTimeout(10);
  for (const service of both.reverse()) await service.stop();
  started.length = 0;
}

async function rebuild(): Promise<Rebuilt | undefined> {
  let outcome: Rebuilt | undefined;
  const both = [
    serviceOf('teller', { bus, rebuild: { role: 'log' } }),
    serviceOf('listener', { bus, rebuild: { role: 'rebuild', tell: rebuilt => (outcome = rebuilt) } }),
  ];
  for (const service of both) await service.start();
  await both[1]?.done;
  for (const service of both.reverse()) await service.stop();
  started.length = 0;
  return outcome;
}

const events = Array.from({ length: 40 }, (_, n): Told => ({ key: `k${n % 3}`, n }));

describe('a rebuild', () => {
  it('fills projections from the first event and does nothing else a second time', async () => {
    await traffic(events);
    const live = await tables();
    expect(live).toMatchObject({ said: 40, heard: [{ n: 39 }, { n: 37 }, { n: 38 }] });
    const calm = await rebuild();
    expect(calm).toEqual({
      service: 'listener',
      rebuilt: { heard: 3 },
      sha256Before: calm?.sha256After,
      sha256After: expect.stringMatching(/^[0-9a-f]{64}$/),
      deadLetters: 0,
    });
    expect(await tables()).toEqual(live);

    const store = openStore<Tables>({ file: join(folder, 'listener.db') });
    await store.transaction(tx => tx.updateTable('heard').set({ n: -1 }).where('key', '=', 'k1').execute());
    await store.close();
    const cured = await rebuild();
    expect(cured?.sha256Before).not.toBe(calm?.sha256After);
    expect(cured?.sha256After).toBe(calm?.sha256After);
    expect(await tables()).toEqual(live);
  });

  it('is refused by name while the service runs, and where nothing is known of the others', async () => {
    await serviceOf('listener', { bus }).start();
    const tell = (): never => {
      throw new Error('nothing was rebuilt');
    };
    const second = serviceOf('listener', { bus, rebuild: { role: 'rebuild', tell } });
    started.pop();
    await expect(second.start()).rejects.toMatchObject({
      cause: {
        name: 'STILL_LED',
        message: expect.stringMatching(`^STILL_LED: listener is led by pid ${String(process.pid)} since 20`),
      },
    });
    const alone = serviceOf('listener', { rebuild: { role: 'rebuild', tell } });
    started.pop();
    await expect(alone.start()).rejects.toMatchObject({
      cause: { name: 'NO_LOG', message: expect.stringContaining('all-in-one --rebuild listener') },
    });
    const teller = serviceOf('teller', { bus, rebuild: { role: 'rebuild', tell } });
    started.pop();
    await expect(teller.start()).rejects.toMatchObject({ cause: { name: 'NO_PROJECTIONS' } });
  });
});
