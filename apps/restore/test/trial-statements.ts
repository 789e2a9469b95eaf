/** What an execution has sent, from the statement logs of stand-ins. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { CheckpointHook } from '@holdfast/service/runner';

/**
 * The driver writes a statement some turns after it was told to. What happens at `sent` waits until the server has begun the statement: a
 * process killed earlier would only be killed at `begun` once more.
 */
export function onceSent(changes: () => Promise<readonly Logged[]>, hook: CheckpointHook): CheckpointHook {
  const begun = async () => (await changes()).filter(({ outcome }) => outcome === 'started').length;
  let expected: Promise<number> | undefined;
  return async (name, subject) => {
    if (name.endsWith('/begun')) {
      // Counted from the first one on: several are sent side by side.
      expected ??= begun();
      await expected;
    }
    if (name.endsWith('/sent')) {
      const atLeast = (expected = (expected ?? begun()).then(count => count + 1));
      // Bounded, because on a connection that was ended meanwhile it never begins.
      for (const limit = Date.now() + 500; Date.now() < limit && (await begun()) < (await atLeast);) await pause(1);
    }
    return hook(name, subject);
  };
}

type Logged = { readonly program: string; readonly text: string; readonly outcome: string };

/** What the execution sent to change something, from the stand-ins' statement logs. Asked often: most lines are not worth parsing. */
export async function changesOf(names: readonly string[], folder: string): Promise<readonly Logged[]> {
  const logs = names.map(name => readFile(join(folder, name, 'log', 'statements.jsonl'), 'utf8'));
  const lines = (await Promise.all(logs)).flatMap(log => log.split('\n').slice(0, -1));
  return lines
    .filter(line => line.includes('holdfast-restore '))
    .map(line => JSON.parse(line) as Logged)
    .filter(
      ({ program, text }) =>
        program.startsWith('holdfast-restore ') &&
        /^(RESTORE|ALTER DATABASE|KILL '|EXEC msdb\.dbo\.sp_(update|start)_job)/.test(text),
    );
}

/**
 * Whether it is of the kind that this step sends. Others are not to number its places: how many RESTOREs an injured run has done before
 * one fails depends on timing.
 */
export function isSentBy(step: string, text: string): boolean {
  if (['check', 'choose', 'probe'].includes(step)) return false;
  if (step === 'recover') return text.includes(' WITH RECOVERY');
  if (step === 'restore') return text.startsWith('RESTORE ') && !text.includes(' WITH RECOVERY');
  return !text.startsWith('RESTORE ');
}

/** How often each statement was carried out, by its text; throws when one must not be repeated and was. */
export async function carriedOut(names: readonly string[], folder: string): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  for (const { text, outcome } of await changesOf(names, folder))
    if (outcome === 'ok') counts[text] = (counts[text] ?? 0) + 1;
  for (const [text, count] of Object.entries(counts))
    if (count > 1 && /STOPATMARK|^RESTORE DATABASE .* FROM |sp_start_job/.test(text))
      throw new Error(`${String(count)} times ${text}`);
  return counts;
}
