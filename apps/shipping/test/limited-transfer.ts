import { transferFile, type TransferRequest } from '../src/copy/transfer-runner.ts';

// A transfer in a process of its own, under whatever limits that was started with: paths and record in, outcome and record out, as JSON.

const { sourcePath, writePath, before } = JSON.parse(process.argv[2] ?? '') as Pick<
  TransferRequest,
  'sourcePath' | 'writePath' | 'before'
>;
let recorded = before;
const outcome = await transferFile({
  sourcePath,
  writePath,
  before,
  owner: { name: 'limited', token: 1 },
  flushEveryBytes: 16_384,
  signal: new AbortController().signal,
  onStart: async start => void (recorded = { ...start, sha256: null }),
  onPrefix: async prefix => void (recorded = { ...recorded, prefix }),
  onHashed: async sha256 => void (recorded = { ...recorded, sha256 }),
});
process.stdout.write(JSON.stringify({ outcome, recorded }));
