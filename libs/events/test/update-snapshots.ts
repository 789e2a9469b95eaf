import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { breakingChanges, currentSnapshots, type Snapshot, snapshotFolder } from './snapshots.ts';

// Writes snapshots/<type>.json. Breaking changes are refused: they are a new version. `--allow-breaking` is for contracts nobody has used yet.
const allowBreaking = process.argv.includes('--allow-breaking');
mkdirSync(snapshotFolder, { recursive: true });
const refused: string[] = [];
for (const snapshot of currentSnapshots()) {
  const file = new URL(`${snapshot.type}.json`, snapshotFolder);
  const changes = existsSync(file) ? breakingChanges(JSON.parse(readFileSync(file, 'utf8')) as Snapshot, snapshot) : [];
  if (changes.length > 0 && !allowBreaking) refused.push(...changes.map(change => `${snapshot.type}: ${change}`));
  else writeFileSync(file, `${JSON.stringify(snapshot, null, 2)}\n`);
}
if (refused.length > 0) {
  process.stderr.write(`Not written, these break consumers; make a new version instead:\n${refused.join('\n')}\n`);
  process.exitCode = 1;
}
