/** What a trial is made of; free of the test runner, because processes of their own import trials too. */
export { carriedOnce, carryEvents } from './carried-events.ts';
export { type Incarnation, type InjuryTrial, livingIncarnation, type Running } from './injury.ts';
export type { Progress } from './places.ts';
