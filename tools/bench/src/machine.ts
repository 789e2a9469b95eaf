import { availableParallelism, cpus, freemem, loadavg, totalmem } from 'node:os';

export type Machine = {
  readonly cores: number;
  readonly processor: string;
  readonly memoryMebibytes: number;
  readonly freeMebibytes: number;
  readonly platform: string;
  readonly node: string;
  /** Processes that wanted to run in the minute before; undefined on Windows, which does not tell. */
  readonly loadAtStart: number | undefined;
};

export function machineFacts(): Machine {
  const { platform, arch, version } = process;
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? 'unknown',
    memoryMebibytes: Math.round(totalmem() / 1_048_576),
    freeMebibytes: Math.round(freemem() / 1_048_576),
    platform: `${platform} ${arch}`,
    node: version,
    loadAtStart: platform === 'win32' ? undefined : Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

/** Of a fifth of a core and more somebody else is at work: what is measured then says little about us. */
const quietLoadPerCore = 0.2;

/** Undefined when the machine is quiet, or does not tell. */
export function busyWarning({ cores, loadAtStart }: Pick<Machine, 'cores' | 'loadAtStart'>): string | undefined {
  if (loadAtStart === undefined || loadAtStart < quietLoadPerCore * cores) return undefined;
  return `The machine is busy: load ${loadAtStart} on ${cores} cores at the start. Measure again when it is quiet.`;
}
