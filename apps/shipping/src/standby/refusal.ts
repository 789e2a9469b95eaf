import type { Claim } from './standby.ts';

// What every change of a standby may be answered with.

export type NotFound = {
  readonly kind: 'NotFound';
  readonly message: string;
  readonly fix: string;
  readonly id: string;
};
export type InvalidInput = {
  readonly kind: 'InvalidInput';
  readonly message: string;
  readonly fix: string;
  readonly field: string;
};
export type ExecutionHolds = {
  readonly kind: 'ExecutionHoldsStandby';
  readonly message: string;
  readonly fix: string;
  readonly executionId: string;
};

export function notFound(id: string): NotFound {
  const fix = 'Use an id as an earlier answer gave it.';
  return { kind: 'NotFound', id, message: `There is no ${id} that you may see.`, fix };
}

export function executionHolds({ executionId }: Claim): ExecutionHolds {
  return {
    kind: 'ExecutionHoldsStandby',
    executionId,
    message: 'An execution holds this standby, or has asked for it.',
    fix: 'Wait until the execution has ended, or cancel it.',
  };
}
