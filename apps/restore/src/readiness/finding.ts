import type { StepReason } from '../execution/step.ts';

export type ReadinessVerdict = 'READY' | 'DEGRADED' | 'NOT_READY' | 'UNKNOWN';

/** What weakens readiness, and how far. */
export type Finding = { readonly verdict: Exclude<ReadinessVerdict, 'READY'>; readonly reason: StepReason };

type Text = [code: string, message: string, fix: string, evidence?: string | null, since?: string | null];

export function make(
  verdict: Finding['verdict'],
  ...[code, message, fix, evidence = null, since = null]: Text
): Finding {
  return { verdict, reason: { code, message, fix, evidence, since } };
}
export function degraded(...text: Text): Finding {
  return make('DEGRADED', ...text);
}
export function notReady(...text: Text): Finding {
  return make('NOT_READY', ...text);
}
export function unknown(...text: Text): Finding {
  return make('UNKNOWN', ...text);
}
