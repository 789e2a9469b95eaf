import type { StreamId } from '@holdfast/domain';
import type { Clock } from '@holdfast/service';

/** `done`, `total`: bytes, decimal text. The rate is that of this attempt; null while nothing was measured. */
export type CopyProgress = {
  readonly file: string;
  readonly done: string;
  readonly total: string;
  readonly bytesPerSecond: number | null;
  readonly etaSeconds: number | null;
};

type Running = {
  readonly file: string;
  readonly total: number;
  readonly from: number;
  readonly sinceMs: number;
  done: number;
};

/** How far the copies under way in this process are: for showing only, and gone with the process. */
export class CopyMeter {
  readonly #clock: Clock;
  readonly #running = new Map<StreamId, Running>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(id: StreamId, of: { readonly file: string; readonly total: number; readonly done: number }): void {
    this.#running.set(id, { file: of.file, total: of.total, from: of.done, done: of.done, sinceMs: this.#clock() });
  }

  advance(id: StreamId, done: number): void {
    const running = this.#running.get(id);
    if (running !== undefined) running.done = done;
  }

  end(id: StreamId): void {
    this.#running.delete(id);
  }

  of(id: StreamId): CopyProgress | null {
    const running = this.#running.get(id);
    if (running === undefined) return null;
    const { file, total, from, done, sinceMs } = running;
    const seconds = (this.#clock() - sinceMs) / 1_000;
    const rate = seconds > 0 && done > from ? (done - from) / seconds : null;
    const left = Math.max(0, total - done);
    const etaSeconds = rate === null ? null : left / rate;
    return { file, done: String(done), total: String(total), bytesPerSecond: rate, etaSeconds };
  }
}
