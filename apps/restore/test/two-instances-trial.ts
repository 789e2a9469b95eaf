/**
 * The execution trial over two instances: three databases, two of them side by side on one. One source is gone and has left a unit of work in
 * doubt at the other one, which is fenced.
 */
import { twoSmallPlaces } from './estate-of-two.ts';
import { executionTrial } from './execution-trial.ts';

export const { trial, removePrepared } = executionTrial(twoSmallPlaces, { living: [1], inDoubt: true });
