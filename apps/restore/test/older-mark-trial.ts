/** A failover whose last log is damaged, which lands at the older mark that is offered and accepted. */
import { onePlace } from './estate-of-two.ts';
import { executionTrial } from './execution-trial.ts';

export const { trial, removePrepared } = executionTrial(onePlace, { rotten: true });
