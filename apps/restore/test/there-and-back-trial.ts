/** A planned failover of a living source, cancelled when its databases are off: the drain, the fence and its undo. */
import { onePlace } from './estate-of-two.ts';
import { executionTrial } from './execution-trial.ts';

export const { trial, removePrepared } = executionTrial(onePlace, { living: [0], thereAndBack: true });
