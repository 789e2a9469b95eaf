import { readConfig, type Config } from '../config.ts';
import { controlPaths } from '../control.ts';
import { stopInOrder } from '../lifetime.ts';
import { startService, type Service } from '../service.ts';
import type { Command } from './command.ts';

/** Without --data, --name, --map and the ports, which a fleet takes otherwise. */
export const optionTable = `  --login NAME           a sysadmin login (default sa); its password: STANDIN_PASSWORD, or
  --password-file FILE   a file that holds it
  --version N            2016, 2017, 2019, 2022 (the default) or 2025; also as major version, 13 to 17
  --clock TIME           what the clock shows at the start, as 2026-03-01T12:00:00Z (default: this machine's time)
  --clock-rate N         its seconds in one of this machine's (default 1)
  --clock-mode manual    it stands until POST /clock moves it over the control port: help clock
  --time-zone NAME       of its local time, as Australia/Brisbane (default UTC)
  --no-sync              files are not forced to the disk: faster; kill -9 is survived, a power cut not
  --no-agent             SQL Server Agent does not run
  --peers FILE           where the other instances are, for linked servers: help peers
  --mark-timeout MS      how long a mark waits for prepared transactions or another mark (default 10000)
  --fault NAME           a fault from the start (repeatable); faults set sets them while it runs
  --tls-cert FILE, --tls-key FILE
                         certificate and key, PEM (default: one of its own)
  --force-encryption     clients that do not encrypt are refused
  --config FILE          JSON with the option names as keys: help config`;

export function readyLine({ serverName: name }: Config, { port, controlPort, peerPort }: Service): object {
  return { ready: true, name, port, controlPort, peerPort, pid: process.pid };
}

/** One instance in this process: one ready line, then until SIGTERM, SIGINT, or its parent is gone. */
export const serve: Command = {
  help: `npm run standin -- [serve] --data DIR --name NAME [options]

Runs one instance on 127.0.0.1 until SIGTERM or SIGINT. Prints one line of JSON once it accepts connections: name, port, controlPort, pid.

  --data DIR             the instance's own files; the same folder again: the same databases
  --name NAME            @@SERVERNAME, as PRIMARY\\BTS
  --port N               TDS port (default 0: a free one)
  --control-port N       control port, HTTP and JSON (default 0): ${controlPaths.slice(0, 4).join(', ')},
                         ${controlPaths.slice(4).join(', ')}; see help clock, help faults
  --peer-port N          for linked instances (default 0)
  --map 'D:\\Data=DIR'    a Windows or UNC path prefix and the folder of this machine behind it (repeatable); backups and
                         files of databases go to mapped paths, C:\\MSSQL\\DATA and C:\\MSSQL\\Backup are there without
${optionTable}

By hand, with any TDS client:

  STANDIN_PASSWORD=… npm run standin -- --data .holdfast/one --name ONE\\BTS --port 14330 --map 'D:\\Backup=.holdfast/backup'
  tsql -H 127.0.0.1 -p 14330 -U sa -P …       (FreeTDS; or sqlcmd -S tcp:127.0.0.1,14330 -U sa -C)

README.md has a transcript, "By hand": a database, a full and marked log backups, a restore to the mark.`,
  run: async args => {
    const config = readConfig(args, process.env);
    const service = await startService(config, error => console.error(error));
    stopInOrder(service, config.parentPid, code => process.exit(code));
    console.log(JSON.stringify(readyLine(config, service)));
    return undefined;
  },
};
