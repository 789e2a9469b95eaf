/** The percentage of a running BACKUP or RESTORE: for sys.dm_exec_requests, and as 3211 when STATS was asked for. */
import { message } from '../messages.ts';
import { throwIfAborted } from '../engine/request-aborted.ts';
import type { WireFaults } from '../faults/wire-faults.ts';
import type { ResultSink, Session } from '../contract.ts';

export class Progress {
  readonly #session: Session;
  readonly #sink: ResultSink;
  readonly #step: number | undefined;
  readonly #faults: WireFaults;
  #reported = 0;
  #highest = 0;

  constructor(session: Session, sink: ResultSink, step: number | undefined, faults: WireFaults) {
    this.#faults = faults;
    this.#session = session;
    this.#sink = sink;
    this.#step = step === undefined ? undefined : Math.min(100, Math.max(1, step));
  }

  /** Also the place where a cancelled statement stops. 100 is left to `finish`. */
  async reached(done: number, total: number): Promise<void> {
    throwIfAborted(this.#session);
    const percent = total <= 0 ? 0 : Math.min(99, Math.floor((done * 100) / total));
    this.#highest = Math.max(this.#highest, percent);
    this.#show(this.#highest);
    if (this.#step === undefined || percent < this.#reported + this.#step) return;
    this.#reported = percent - (percent % this.#step);
    this.#sink.info(message(3211, percent));
    await this.#sink.flush();
  }

  #show(percent: number): void {
    const { request } = this.#session;
    if (request === undefined) return;
    request.percentComplete = percent;
    if (this.#faults.cutsAt(request.command, percent)) this.#session.loseClient?.();
  }

  async finish(): Promise<void> {
    this.#show(100);
    if (this.#step === undefined) return;
    this.#sink.info(message(3211, 100));
    await this.#sink.flush();
  }
}

/** `1.234` seconds and `12.345` MB/s, as 3014 prints them. */
export function throughput(bytes: number, milliseconds: number): { readonly seconds: string; readonly rate: string } {
  const seconds = Math.max(0, milliseconds) / 1000;
  const rate = seconds === 0 ? 0 : bytes / 1_048_576 / seconds;
  return { seconds: seconds.toFixed(3), rate: rate.toFixed(3) };
}
