/** What a mark is for: no distributed transaction stands before it in one log and behind it in another (sqlserver.md §3.4). */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { startGroup, type Group, type Member } from './group-fixture.ts';
import { faultsWith, type FaultRequest } from '../faults/fault-switches.ts';
import type { RemoteRequest } from '../contract.ts';

const names = ['ONE', 'TWO'] as const;
let group: Group;

beforeEach(async () => {
  group = await startGroup();
});
afterEach(() => group.end());

const noStall: FaultRequest = { name: 'no-mark-stall' };
const gap: FaultRequest = { name: 'commit-gap', parameters: { ms: 20 } };

async function startBoth(...requests: readonly FaultRequest[]): Promise<readonly Member[]> {
  const members: Member[] = [];
  for (const name of names) {
    const member = await group.start(name, { faults: faultsWith(...requests) });
    await member.rows('CREATE DATABASE D');
    await member.rows('CREATE TABLE D.dbo.t (id int NOT NULL PRIMARY KEY)');
    await member.rows('CREATE TABLE D.dbo.marks (id int NOT NULL PRIMARY KEY)');
    members.push(member);
  }
  for (const member of members) {
    const other = names.find(name => name !== member.name) ?? '';
    await member.engine.linked.add({ name: other, product: 'SQL Server', dataSource: other });
  }
  return members;
}

/** One distributed transaction of the instance `at`: the same row at both; `mark`: marked at both. */
async function work(at: Member, id: number, mark?: string): Promise<void> {
  const session = at.session('D');
  const other = names.find(name => name !== at.name) ?? '';
  const named = mark === undefined ? 'BEGIN TRAN' : `BEGIN TRAN ${mark} WITH MARK`;
  const text = `${named}; INSERT INTO ${mark === undefined ? 't' : 'marks'} VALUES (${id})`;
  const request: RemoteRequest = { database: 'D', text: `${text}; COMMIT`, parameters: [], kind: 'query' };
  await at.rows(text, session);
  await at.engine.linked.ask(session, other, request);
  await at.rows('COMMIT', session);
  await at.engine.detach(session);
}

/** Ids of rows and names of marks in the order of their commits. */
function commits(member: Member): readonly (number | string)[] {
  const rows = new Map<bigint, number>();
  const order: (number | string)[] = [];
  for (const { entry } of member.log('D')) {
    if (entry.kind === 'change' && entry.change.kind === 'insert')
      rows.set(entry.transaction, Number(entry.change.row[0]));
    if (entry.kind === 'commit') order.push(entry.mark?.name ?? rows.get(entry.transaction) ?? 'other');
  }
  return order;
}

/** Transactions that a mark separates differently in the two logs. */
function torn([first, second]: readonly (readonly (number | string)[])[]): readonly string[] {
  const [one, two] = [first ?? [], second ?? []];
  const marks = one.filter(each => typeof each === 'string' && each.startsWith('mark'));
  const rows = one.filter(each => typeof each === 'number');
  return marks.flatMap(mark =>
    rows
      .filter(row => one.indexOf(row) < one.indexOf(mark) !== two.indexOf(row) < two.indexOf(mark))
      .map(row => `${row} at ${mark}`),
  );
}

const workers = 6;
const each = 8;
const markers = 4;

/** Both instances coordinate some, transactions and marks alike, all at the same time. */
async function mixture(members: readonly Member[]): Promise<void> {
  const at = (place: number): Member => members[place % 2] as Member;
  const worker = async (place: number): Promise<void> => {
    for (let round = 0; round < each; round += 1) await work(at(place), place * 100 + round);
  };
  const marker = async (place: number): Promise<void> => {
    for (let round = 0; round < markers; round += 1) await work(at(place), place * 100 + round, `mark${place}${round}`);
  };
  const places = Array.from({ length: workers }, (_, place) => place);
  await Promise.all([...places.map(worker), marker(10), marker(11)]);
}

it('tears nothing, whoever coordinates, with marks of both instances among the transactions', async () => {
  const members = await startBoth();
  await mixture(members);
  const logs = members.map(commits);
  for (const log of logs) {
    expect(log.filter(entry => typeof entry === 'number').length).toBe(workers * each + 0);
    expect(log.filter(entry => typeof entry === 'string' && entry.startsWith('mark')).length).toBe(markers * 2);
  }
  expect(torn(logs)).toEqual([]);
  for (const member of members) {
    expect(await member.rows('SELECT COUNT(*) FROM msdb.dbo.logmarkhistory')).toEqual([[markers * 2]]);
    expect(member.mistakes).toEqual([]);
  }
}, 60_000);

it('tears with the stall switched off', async () => {
  const members = await startBoth(noStall, gap);
  await mixture(members);
  expect(torn(members.map(commits))).not.toEqual([]);
}, 60_000);

it('tears nothing with the same pause between commits and the stall on', async () => {
  const members = await startBoth(gap);
  await mixture(members);
  expect(torn(members.map(commits))).toEqual([]);
}, 60_000);
