import { appendFileSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { untilAskedToEnd } from '@holdfast/run';
import { readDemoConfig } from './config.ts';
import { runDemo } from './demo.ts';
import type { Report } from './report.ts';

/** `npm run demo`: exit status 0 only when the oracle has verified the failover. */
async function main(): Promise<boolean> {
  const { json, keep, ...wishes } = readDemoConfig(process.argv.slice(2), () => Math.floor(Math.random() * 1_000_000));
  const dataFolder = mkdtempSync(join(tmpdir(), 'holdfast-demo-'));
  const startedAt = performance.now();
  const say = (line: string): void => {
    console.error(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)} s  ${line}`);
  };
  const log = (line: string): void => appendFileSync(join(dataFolder, 'demo.log'), `${line}\n`);
  const asked = untilAskedToEnd({ env: process.env }).then(reason => {
    throw new Error(`Stopped: ${reason}.`);
  });
  let verified = false;
  try {
    const report = await Promise.race([runDemo({ ...wishes, dataFolder, say, log }), asked]);
    ({ verified } = report);
    if (json) console.log(JSON.stringify(report));
    else console.log(summaryOf(report));
    return verified;
  } finally {
    // What went wrong is in there.
    if (keep || !verified) say(`The run's folder is kept: ${dataFolder}`);
    else await rm(dataFolder, { recursive: true, force: true });
  }
}

function summaryOf({ verified, databases, workload, failover, oracle, dataLossSeconds }: Report): string {
  const { checked, torn, missing, extra } = oracle;
  return [
    '',
    verified ? 'VERIFIED' : 'NOT VERIFIED',
    `  ${failover.databasesAtMark} of ${databases} databases at mark ${failover.mark}, in ${failover.seconds} s`,
    `  ${workload.committed} transactions acknowledged, ${workload.distributed} of them across instances; ${workload.unknown} unanswered when the primaries died`,
    `  ${checked} judged: ${torn} torn, ${missing} missing, ${extra} extra`,
    `  lost: the last ${dataLossSeconds} s before the kill`,
  ].join('\n');
}

try {
  process.exit((await main()) ? 0 : 1);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
