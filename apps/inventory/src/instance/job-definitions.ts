import type { JobDefinition } from '../estate/estate.ts';

/** By name, steps by number, so that the order in which a server gives them is no news. */
export function jobsInOrder(jobs: readonly JobDefinition[]) {
  return [...jobs]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(job => ({
      ...job,
      steps: [...job.steps].sort((a, b) => a.stepId - b.stepId),
      // Nothing keeps two schedules of a job from bearing one name.
      schedules: [...job.schedules].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
    }));
}

/** The same text for the same definitions; that they cannot be read is news as well. */
export function toldOfJobs(jobs: readonly JobDefinition[] | null): string {
  return JSON.stringify(jobs === null ? null : jobsInOrder(jobs));
}
