/** What `help` tells besides the commands. Where the code has a table of it, that is what is printed. */
import { clockBodies, usualTimeoutMs, type ClockRefusal } from '../clock-control.ts';
import { serverRoles, settingNames } from '../config.ts';
import { helpRows } from './help-rows.ts';

export type Topic = { readonly summary: string; readonly text: () => Promise<string> | string };

export const topics: Readonly<Record<string, Topic>> = {
  clock: { summary: 'GET and POST /clock: time that stands, runs fast or is moved', text: clockTopic },
  peers: { summary: 'the file of --peers: linked servers between instances', text: peersTopic },
  config: { summary: 'the file of --config: all options, several logins', text: configTopic },
  biztalk: {
    summary: 'the sp_standin_* procedures that make a BizTalk group',
    text: async () => (await import('./topic-biztalk.ts')).bizTalkTopic(),
  },
};

const refusals: Readonly<Record<ClockRefusal['code'], string>> = {
  BAD_REQUEST: 'none of these bodies',
  CLOCK_RUNS: 'advanceMs is for a clock that stands',
  CLOCK_GOES_BACK: 'only with the fault clock-goes-back',
  CLOCK_IS_MOVED: 'by another request, now',
  RUN_HANGS: 'a run of the Agent did not end within timeoutMs; the clock stays at the time at which it was started',
};

function clockTopic(): string {
  return `The clock of an instance starts at --clock TIME (or this machine's time) and runs with this machine's, faster (--clock-rate N) or stands
(--clock-mode manual). Over the control port (--control-port N; the ready line has it), in UTC also with --time-zone:

GET /clock answers {"now": time, "rate": n}; POST /clock takes one of

${clockBodies.map(({ body, effect }) => `  ${body}\n      ${effect}`).join('\n')}

and answers the same when all that fell due has been done. timeoutMs: of this machine's time, ${usualTimeoutMs} without it.

  curl -X POST 127.0.0.1:39001/clock -d '{"advanceMs":86400000}'

A refusal is 400 with {"error": {"code", "message", "clock"}}:

${helpRows(refusals)}`;
}

function peersTopic(): string {
  return `Instances that shall reach each other as linked servers are each started with --peers FILE, the same file for all. It is read anew at every
connection between them, because ports are known only after the start:

{ "secret": "any text that all of them share", "instances": { "ONE\\\\BTS": "127.0.0.1:41234", "TWO\\\\BTS": "127.0.0.1:41235" } }

instances: @@SERVERNAME of each (the data source of the linked server), and its peer port: --peer-port N, or "peerPort" of the ready line. Then:

  EXEC sp_addlinkedserver N'TWO\\BTS'; EXEC sp_serveroption N'TWO\\BTS', 'rpc out', 'true'

Logins have the same name at both.`;
}

function configTopic(): string {
  const keys = settingNames.filter(name => name !== 'map' && name !== 'logins' && name !== 'fault');
  return `--config FILE is JSON; its keys are option names, and options of the line win:

{
  "name": "ONE\\\\BTS",
  "data": ".holdfast/one",
  "port": 14330,
  "map": { "D:\\\\Backup": ".holdfast/backup" },
  "logins": [
    { "name": "sa", "passwordFile": "sa.txt", "roles": ["sysadmin"] },
    { "name": "reader", "passwordFile": "reader.txt", "roles": [] },
    { "name": "CONTOSO\\\\operator", "passwordFile": "operator.txt", "roles": ["dbcreator"], "windows": true }
  ],
  "fault": [{ "name": "disk-full", "parameters": { "percent": 40 } }]
}

logins  beside the one of --login; roles: ${serverRoles.join(', ')} (none: []);
        windows: true for DOMAIN\\account, and for no other; a password file holds the password and nothing else
map     each path of the instance and the folder of this machine behind it
fault   what is set from the start, as POST /faults takes it
others  text, number, or true and false: ${keys.join(', ')}`;
}
