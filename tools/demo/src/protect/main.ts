import { parseArgs } from 'node:util';
import { writeAnnouncement } from '@holdfast/run';
import { readEstatePorts } from '../estate/estate.ts';
import { wholeGroup } from '../estate/sample-group.ts';
import { createGatewayClient } from '../gateway-client.ts';
import { protectEstate } from './protect.ts';

/** `--data DIR --url URL`, the token in HOLDFAST_TOKEN: registers the sample estate that runs on the folder, announces its ids and ends. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { data: { type: 'string' }, url: { type: 'string' } } });
  const { data, url } = values;
  const token = process.env['HOLDFAST_TOKEN'];
  if (data === undefined || url === undefined || token === undefined)
    throw new Error('--data, --url and the variable HOLDFAST_TOKEN are needed.');
  const ports = await readEstatePorts(data, wholeGroup);
  const estate = { dataFolder: data, group: wholeGroup, ports };
  const { groupId, standbyId } = await protectEstate(createGatewayClient(url, token), estate);
  writeAnnouncement({ pid: process.pid, groupId, standbyId });
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
