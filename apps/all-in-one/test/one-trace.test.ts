import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createEmbeddedBus } from '@holdfast/messaging';
import { createRestore, restoreSchema } from '@holdfast/restore/service';
import { type Caller, createLogger } from '@holdfast/service';
import { signedClient } from '@holdfast/service/testing';
import { createShipping, shippingSchema } from '@holdfast/shipping/service';
import { whyNoTestServer } from '@holdfast/sqlserver/testing';
import { InMemorySpanExporter, type ReadableSpan } from '@opentelemetry/sdk-trace';
import { groupId, groupName, sourceId, standbyInstances, startSmallEstate } from './small-estate.ts';

const key = Buffer.from('k'.repeat(32));
const caller: Caller = { sub: 'alex', roles: ['operator', 'recovery-manager'], groups: ['*'] };
const traceIds = ['1', '2'].map(digit => digit.repeat(32));
const [first, second] = traceIds.map(traceId => `00-${traceId}-${'a'.repeat(16)}-01`);
const reason = whyNoTestServer({});
const [claimed, yielded, released, changed] = [
  'io.holdfast.restore.standby.claimed.v1',
  'io.holdfast.shipping.standby.yielded.v1',
  'io.holdfast.restore.standby.released.v1',
  'io.holdfast.restore.execution.changed.v1',
] as const;

jest.setTimeout(180_000);

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + 120_000;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 25).unref());
  }
}

(reason === undefined ? describe : describe.skip)(
  `traces of failovers over restore and shipping${reason === undefined ? '' : ` (${reason})`}`,
  () => {
    const exporters = { restore: new InMemorySpanExporter(), shipping: new InMemorySpanExporter() };
    const executions: string[] = [];
    const closing: (() => Promise<unknown>)[] = [];
    let stateFolder = '';
    let secrets: readonly string[] = [];

    const spans = (service: keyof typeof exporters) => exporters[service].getFinishedSpans();
    const traceOf = (span: ReadableSpan) => span.spanContext().traceId;
    const namesIn = (service: keyof typeof exporters, traceId: string | undefined) =>
      new Set(spans(service).flatMap(span => (traceOf(span) === traceId ? [span.name] : [])));
    /** Trace ids of the events of this execution, from the outboxes themselves. */
    const tracesOfEvents = (service: string, executionId: string | undefined): string[] => {
      const db = new DatabaseSync(join(stateFolder, `${service}.db`), { readOnly: true });
      const rows = db.prepare('select body from outbox').all() as { body: string }[];
      db.close();
      const events = rows.map(
        ({ body }) => JSON.parse(body) as { traceparent: string; data: { executionId?: string } },
      );
      return events.flatMap(({ traceparent, data }) =>
        data.executionId === executionId ? [String(traceparent.split('-')[1])] : [],
      );
    };

    // One that is cancelled when shipping has yielded, then one that goes through.
    beforeAll(async () => {
      const bus = createEmbeddedBus();
      closing.push(() => bus.close());
      const estate = await startSmallEstate(bus);
      closing.push(() => estate.close());
      const { PRIMARY_PASSWORD: one, STANDBY_PASSWORD: other } = estate.env;
      secrets = [one, other, '127.0.0.1', 'BizTalkMgmtDb', String.raw`D:\Backup`, String.raw`E:\Copies`, 'FROM DISK'];
      stateFolder = join(estate.folder, 'state');
      mkdirSync(stateFolder);
      const logger = createLogger({ service: 'test', level: 'silent' });
      const shared = { signingKey: key, logger, bus, env: estate.env };
      const settings = { stateFolder, signingKey: 'env:UNUSED' };
      const shipping = createShipping(shippingSchema.parse({ ...settings, observeEverySeconds: 1 }), {
        ...shared,
        spanExporter: exporters.shipping,
      });
      const cancelled = Promise.withResolvers<undefined>();
      const restore = createRestore(restoreSchema.parse({ ...settings, lookEveryMs: 100, probeTimeoutMs: 60_000 }), {
        ...shared,
        spanExporter: exporters.restore,
        hook: async place => {
          if (place === 'execution/choose/decided') await cancelled.promise;
        },
      });
      const urls = { shipping: '', restore: '' };
      for (const service of [shipping, restore]) {
        urls[service.name as keyof typeof urls] = (await service.start()).url;
        closing.push(() => service.stop());
      }
      const ask = async (subgraph: keyof typeof urls, text: string, input: unknown, traceparent?: string) => {
        const client = signedClient({
          url: urls[subgraph],
          key,
          subgraph,
          caller,
          ...(traceparent && { traceparent }),
        });
        const { data, errors } = await client.query(text, { input });
        await client.close();
        if (errors !== undefined) throw new Error(JSON.stringify(errors));
        return data as Readonly<Record<string, Record<string, unknown>>>;
      };

      const wanted = { idempotencyKey: 'one', groupId, site: 'Cork', instances: standbyInstances(estate.folder) };
      const standbyId = await until('a standby', async () => {
        const text = `mutation ($input: CreateStandbyInput!) { createStandby(input: $input) { ... on Standby { id } } }`;
        return (await ask('shipping', text, wanted))['createStandby']?.['id'] as string | undefined;
      });
      const rests = async () => {
        const { standby } = await ask(
          'shipping',
          `{ standby(id: "${standbyId}") { state newestCommonMarkName } }`,
          undefined,
        );
        const isThere = standby?.['state'] === 'IN_SYNC' && standby['newestCommonMarkName'] === estate.newestMark;
        return isThere ? true : undefined;
      };
      await until('in sync', rests);
      await estate.losePrimary();

      const failOver = (idempotencyKey: string, traceparent: string | undefined) =>
        until('a failover', async () => {
          const input = {
            idempotencyKey,
            groupId,
            standbyId,
            mode: 'UNPLANNED',
            target: { newest: true },
            expectedMark: estate.newestMark,
            declaredUnreachable: [{ instanceId: sourceId, reason: 'gone' }],
            reason: 'flood',
            confirm: groupName,
          };
          const text =
            'mutation ($input: StartFailoverInput!) { startFailover(input: $input) { __typename ... on Execution { id } } }';
          return (await ask('restore', text, input, traceparent))['startFailover']?.['id'] as string | undefined;
        });
      const reach = (executionId: string, wantedState: string) =>
        until(`execution ${wantedState}`, async () => {
          const text = `{ execution(id: "${executionId}") { state steps { id state } } }`;
          const { execution } = await ask('restore', text, undefined);
          const steps = execution?.['steps'] as readonly { readonly id: string; readonly state: string }[];
          const stepId = steps.find(({ state }) => state === 'AWAITING_CONFIRMATION')?.id;
          const confirm = 'mutation ($input: StepInput!) { confirmStep(input: $input) { __typename } }';
          if (stepId !== undefined) await ask('restore', confirm, { executionId, stepId });
          return execution?.['state'] === wantedState ? true : undefined;
        });

      const given = await failOver('first', first);
      executions.push(given);
      await until('yielded', async () => (namesIn('restore', traceIds[0]).has(`apply ${yielded}`) ? true : undefined));
      const cancel = 'mutation ($input: CancelExecutionInput!) { cancelExecution(input: $input) { __typename } }';
      await ask('restore', cancel, { executionId: given, reason: 'a drill' });
      cancelled.resolve(undefined);
      await reach(given, 'CANCELLED');
      await until('in sync again', rests);
      const through = await failOver('second', second);
      executions.push(through);
      await reach(through, 'COMPLETED');
      await until('released', async () =>
        namesIn('shipping', traceIds[1]).has(`apply ${released}`) ? true : undefined,
      );
    });
    afterAll(async () => {
      for (const close of closing.splice(0).reverse()) await close();
    });

    it('has every step of an execution in the trace of the request that started it, and of no other', () => {
      for (const [index, executionId] of executions.entries()) {
        const steps = spans('restore').filter(({ attributes }) => attributes['holdfast.subject'] === executionId);
        const own = steps.filter(({ name }) => name.startsWith('execution/'));
        expect(own.length).toBeGreaterThan(5);
        expect(new Set(own.map(traceOf))).toEqual(new Set([traceIds[index]]));
        const others = spans('restore').filter(({ attributes }) =>
          executions.includes(String(attributes['holdfast.subject'])),
        );
        expect(others.filter(span => traceOf(span) === traceIds[index] && !own.includes(span))).toEqual([]);
      }
    });

    it('goes from the mutation over both services to the last step', () => {
      const [cancelledIn, doneIn] = traceIds.map(traceId => ({
        restore: namesIn('restore', traceId),
        shipping: namesIn('shipping', traceId),
      }));
      for (const names of [cancelledIn, doneIn]) {
        expect([...names!.restore]).toEqual(
          expect.arrayContaining([
            'mutation startFailover',
            'execution/probe',
            'execution/claim',
            `append ${claimed}`,
            `apply ${yielded}`,
            'execution/take_over',
            `append ${changed}`,
            `append ${released}`,
          ]),
        );
        expect([...names!.shipping]).toEqual(
          expect.arrayContaining([`apply ${claimed}`, 'stream/yield', `append ${yielded}`, `apply ${released}`]),
        );
      }
      expect([...doneIn!.restore]).toEqual(
        expect.arrayContaining([
          'execution/choose',
          'execution/restore',
          'RESTORE LOG … NORECOVERY, STOPATMARK',
          'execution/recover',
          'RESTORE DATABASE … WITH RECOVERY',
          'execution/verify',
          'execution/complete',
        ]),
      );
    });

    it('hangs together: every span but the first has its cause in the same trace', () => {
      const all = [...spans('restore'), ...spans('shipping')];
      const ids = new Set(all.map(span => `${traceOf(span)} ${span.spanContext().spanId}`));
      for (const span of all.filter(each => traceIds.includes(traceOf(each)))) {
        const parent = span.parentSpanContext?.spanId;
        if (parent !== 'a'.repeat(16)) expect(ids).toContain(`${traceOf(span)} ${String(parent)}`);
      }
    });

    it('is carried by every event of the execution, also by those that a person caused later', () => {
      for (const [index, executionId] of executions.entries()) {
        const events = [...tracesOfEvents('restore', executionId), ...tracesOfEvents('shipping', executionId)];
        expect(events.length).toBeGreaterThan(5);
        expect(new Set(events)).toEqual(new Set([traceIds[index]]));
      }
    });

    it('tells nothing of the servers: no address, login, path or statement', () => {
      const told = JSON.stringify(
        [...spans('restore'), ...spans('shipping')].map(({ name, attributes, events, status, resource }) => {
          return { name, attributes, events, status, resource: resource.attributes };
        }),
      );
      expect(secrets.filter(secret => told.includes(JSON.stringify(secret).slice(1, -1)))).toEqual([]);
    });
  },
);
