import { describe, expect, it } from '@jest/globals';
import { CloudEvent, HTTP, type Message } from 'cloudevents';
import { eventContentType, parseEvent, renderEvent, standbyClaimed, standbyYielded } from './index.ts';

const payload = {
  executionId: '0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3',
  groupId: '0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b4',
  standbyId: '0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b5',
  claimedAt: '2026-11-20T03:00:00.000Z',
};
const stamp = {
  id: '0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b6',
  time: '2026-11-20T03:00:01.000Z',
  source: '/holdfast/restore',
  sequence: '000000000007',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
};
const travelled = (event: unknown): unknown => JSON.parse(JSON.stringify(event));

describe('renderEvent', () => {
  it('makes one self-contained CloudEvent', () => {
    expect(renderEvent(standbyClaimed, payload, stamp)).toEqual({
      specversion: '1.0',
      ...stamp,
      type: 'io.holdfast.restore.standby.claimed.v1',
      subject: payload.standbyId,
      datacontenttype: 'application/json',
      dataschema: 'urn:holdfast:schema:io.holdfast.restore.standby.claimed.v1',
      partitionkey: payload.groupId,
      data: payload,
    });
  });

  it('leaves the trace out where there is none, and drops what the contract does not have', () => {
    const event = renderEvent(standbyClaimed, { ...payload, password: 'x' } as typeof payload, {
      ...stamp,
      traceparent: undefined,
    });
    expect(event).not.toHaveProperty('traceparent');
    expect(event.data).toEqual(payload);
  });

  it('throws when the payload breaks its contract', () => {
    expect(() => renderEvent(standbyClaimed, { ...payload, groupId: 'no' }, stamp)).toThrow(
      'io.holdfast.restore.standby.claimed.v1 does not satisfy its contract',
    );
  });
});

describe('parseEvent', () => {
  const event = renderEvent(standbyClaimed, payload, stamp);

  it('reads what was rendered, and ignores fields that it does not know', () => {
    const { data, ...envelope } = event;
    const parsed = parseEvent(standbyClaimed, travelled({ ...event, later: 1, data: { ...payload, later: 1 } }));
    expect(parsed).toEqual({ ok: true, payload: data, envelope });
  });

  it.each<[string, unknown, string]>([
    ['no object', 'text', 'not a CloudEvent'],
    ['another specification', { ...event, specversion: '0.3' }, 'not a CloudEvent'],
    ['no partition key', { ...event, partitionkey: undefined }, 'partitionkey'],
    ['no data', { ...event, data: undefined }, 'standby.claimed.v1: '],
    ['broken data', { ...event, data: { ...payload, claimedAt: 'yesterday' } }, 'claimedAt'],
  ])('says what is wrong with %s', (_what, value, problem) => {
    expect(parseEvent(standbyClaimed, value)).toMatchObject({ ok: false, problem: expect.stringContaining(problem) });
  });

  it('does not take one type for another', () => {
    expect(parseEvent(standbyYielded, event)).toMatchObject({ ok: false });
  });
});

describe('the CloudEvents SDK', () => {
  it('reads ours', () => {
    const rendered = renderEvent(standbyClaimed, payload, stamp);
    const message: Message = { headers: { 'content-type': eventContentType }, body: JSON.stringify(rendered) };
    const event = HTTP.toEvent(message) as CloudEvent;
    expect(event.validate()).toBe(true);
    expect(event.toJSON()).toEqual(rendered);
  });

  it('is read by us', () => {
    const event = new CloudEvent(renderEvent(standbyClaimed, payload, stamp));
    expect(parseEvent(standbyClaimed, JSON.parse(HTTP.structured(event).body as string))).toMatchObject({
      ok: true,
      payload,
    });
  });
});
