import type { StepText } from '../execution/step.ts';
import { bamFrontSteps, bamSteps } from './bam-steps.ts';
import {
  applicationsStep,
  consoleSteps,
  databaseReferencesStep,
  masterSecretStep,
  otherApplicationsStep,
  reconciliationStep,
  registrySteps,
  serviceSteps,
  ssoNameStep,
} from './biztalk-steps.ts';
import type { ReferenceFacts } from './facts.ts';
import { consistencySteps, enableJobSteps, jobSteps, loginSteps, protectionStep, quietSteps } from './server-steps.ts';

/**
 * What people do once the databases are open: steps 8 to 22 of biztalk-dr.md §4.3 in their order, as far as this group has what they are about.
 * The order is that of what depends on what: references before the secret, both before services, services before jobs and applications.
 */
export function referenceSteps(facts: ReferenceFacts): readonly StepText[] {
  return [
    ...jobSteps(facts),
    ...quietSteps(facts),
    ...loginSteps(facts),
    ...consistencySteps(facts),
    databaseReferencesStep(facts),
    ...registrySteps(facts),
    masterSecretStep(facts),
    ssoNameStep(facts),
    ...bamSteps(facts),
    ...serviceSteps(facts),
    ...consoleSteps(facts),
    ...enableJobSteps(facts),
    applicationsStep,
    ...bamFrontSteps(facts),
    protectionStep(facts),
    reconciliationStep(facts),
    otherApplicationsStep,
  ];
}
