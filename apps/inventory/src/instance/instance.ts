import type { InstanceId } from '@holdfast/domain';
import type { InstanceDetails } from '../estate/estate.ts';

/** How to reach an instance; `userRef` and `passwordRef` are references (`env:NAME`, `file:path`). */
export type InstanceAddress = {
  readonly server: string;
  readonly port: number | null;
  readonly instanceName: string | null;
  readonly encrypt: boolean;
  readonly trustServerCertificate: boolean;
  readonly userRef: string;
  readonly passwordRef: string;
};

export type Instance = {
  readonly id: InstanceId;
  readonly version: number;
  readonly name: string;
  /** @@SERVERNAME. */
  readonly serverName: string;
  readonly site: string;
  readonly productVersion: string;
  readonly address: InstanceAddress;
  readonly observedAt: string;
  readonly observationError: string | null;
  /** As of the last look; null when they were not kept then. */
  readonly details: InstanceDetails | null;
  /** What was last published of its logins (`toldOfLogins`); null: nothing yet. */
  readonly toldLogins: string | null;
  /** The same of its jobs (`toldOfJobs`). */
  readonly toldJobs: string | null;
};
