// `npm run contracts` writes contracts/ from the sources, and refuses what breaks a version that was ever committed. With --check it writes nothing
// and exits 1 when contracts/ is stale or breaks somebody.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { brokenPromises, folderName, publishedHistory, staleDocuments, writeDocuments } from './check.ts';
import { currentDocuments } from './documents.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const { check } = parseArgs({ options: { check: { type: 'boolean', default: false } } }).values;

const documents = currentDocuments(root);
const history = publishedHistory(root);
if (!history.ok)
  say(
    `Nothing was compared with earlier versions: ${history.reason}${history.reason === 'shallow' ? ' (git fetch --unshallow)' : ''}.`,
  );

const broken = brokenPromises(history, documents);
const stale = staleDocuments(root, documents);
if (broken.length > 0) {
  fail(
    `These break those who rely on a published version; make a new version beside the old one instead:\n${broken.join('\n')}`,
  );
} else if (check) {
  if (stale.length > 0)
    fail(`${folderName}/ is not what the sources say; npm run contracts writes it:\n${stale.join('\n')}`);
} else {
  writeDocuments(root, documents);
  say(stale.length === 0 ? `${folderName}/ was up to date.` : `Wrote ${folderName}/:\n${stale.join('\n')}`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function fail(text: string): void {
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
}
