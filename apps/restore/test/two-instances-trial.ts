/** The execution trial over two standby instances: three databases, two of them side by side on one. */
import { twoSmallPlaces } from './estate-of-two.ts';
import { executionTrial } from './execution-trial.ts';

export const { trial, removePrepared } = executionTrial(twoSmallPlaces);
