// The image's health check: exit status 0 when the service of this container says that it is ready.
// The port is read where the service reads it: a second setting for it could differ.
const [, port] = Object.entries(process.env).find(([name]) => /^HOLDFAST_[A-Z]+__HTTP__PORT$/.test(name)) ?? [];
if (port === undefined)
  throw new Error('Set HOLDFAST_<SERVICE>__HTTP__PORT: without it the service takes a port that nobody knows.');
const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(4_000) });
await answer.body?.cancel();
process.exitCode = answer.status === 200 ? 0 : 1;
