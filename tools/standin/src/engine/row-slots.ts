/**
 * The rows of one table as bytes, in slots of so many rows each. What a slot was written as is kept until one of its rows changes: a checkpoint
 * writes the whole table each time, and of a history that only grows all but its end is as it was.
 */
import { ByteWriter } from './binary-codec.ts';
import type { Row, RowId } from '../contract.ts';

const slotRows = 512;
const chunkBytes = 65_536;
/** A slot of large values is written anew each time: they would all be in memory twice. */
const keptBytes = 2_097_152;

type Rows = ReadonlyMap<RowId, { readonly row: Row; readonly ghost: boolean }>;
type Slot = { readonly low: RowId; readonly high: RowId; readonly captured: CapturedRows; changed: boolean };

/** One for all: a chunk is written in one step. */
const writer = new ByteWriter();

/** Rows as they stood at one moment. */
export class CapturedRows {
  readonly #table: number;
  readonly #ids: readonly RowId[];
  readonly #keeps: boolean;
  #rows: readonly Row[];
  #frames: readonly Buffer[] | undefined;

  constructor(table: number, keeps: boolean, ids: readonly RowId[], rows: readonly Row[]) {
    this.#table = table;
    this.#keeps = keeps;
    this.#ids = ids;
    this.#rows = rows;
  }

  /** Frames (frames.ts) of chunks: `table u32`, then `id f64 · row` for each. */
  *frames(): Iterable<Buffer> {
    if (this.#frames !== undefined) {
      yield* this.#frames;
      return;
    }
    // Another reader may come to its end, and let go of the rows, while this one waits for the next question.
    const [ids, rows] = [this.#ids, this.#rows];
    const frames: Buffer[] = [];
    let bytes = 0;
    for (let at = 0; at < ids.length;) {
      writer.clear();
      writer.u32(this.#table);
      for (; at < ids.length && writer.length < chunkBytes; at += 1) {
        writer.f64(ids[at] ?? 0);
        writer.row(rows[at] ?? []);
      }
      const framed = writer.framed();
      bytes += framed.length;
      if (this.#keeps && bytes <= keptBytes) frames.push(framed);
      yield framed;
    }
    if (!this.#keeps || bytes > keptBytes) return;
    this.#frames ??= frames;
    this.#rows = [];
  }
}

export class RowSlots {
  readonly #table: number;
  readonly #rows: Rows;
  /** In the order of their ids, without gaps. */
  #slots: Slot[] = [];

  constructor(table: number, rows: Rows) {
    this.#table = table;
    this.#rows = rows;
  }

  get #high(): RowId {
    return this.#slots.at(-1)?.high ?? 0;
  }

  /** To be told of each row that comes, changes or goes. */
  touch(id: RowId): void {
    if (id > this.#high) return;
    const slot = this.#slots[this.#find(id)];
    if (slot !== undefined) slot.changed = true;
  }

  /** The first slot that ends at or behind the id. */
  #find(id: RowId): number {
    let [low, high] = [0, this.#slots.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#slots[middle]?.high ?? id) < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** All live rows as of now, in the order of their ids; `nextId`: above all of them. */
  capture(nextId: RowId): readonly CapturedRows[] {
    this.#slots = this.#slots.map(slot => (slot.changed ? this.#slot(slot.low, slot.high) : slot));
    const fresh = this.#live(this.#high + 1, nextId - 1);
    let at = 0;
    for (; fresh.length - at > slotRows; at += slotRows) {
      const ids = fresh.slice(at, at + slotRows);
      this.#slots.push(this.#slot(this.#high + 1, ids.at(-1) ?? 0, ids));
    }
    return [...this.#slots.map(slot => slot.captured), this.#captured(fresh.slice(at), false)];
  }

  #slot(low: RowId, high: RowId, ids = this.#live(low, high)): Slot {
    return { low, high, captured: this.#captured(ids, true), changed: false };
  }

  #captured(ids: readonly RowId[], keeps: boolean): CapturedRows {
    return new CapturedRows(
      this.#table,
      keeps,
      ids,
      ids.map(id => this.#rows.get(id)?.row ?? []),
    );
  }

  /** Ids from `low` to `high` of rows that are there and no ghosts. */
  #live(low: RowId, high: RowId): readonly RowId[] {
    const ids: RowId[] = [];
    // Few rows with numbers far apart are what deleting leaves.
    if (high - low > 4 * this.#rows.size + slotRows) {
      for (const [id, { ghost }] of this.#rows) if (!ghost && id >= low && id <= high) ids.push(id);
      return ids.sort((left, right) => left - right);
    }
    for (let id = low; id <= high; id += 1) if (this.#rows.get(id)?.ghost === false) ids.push(id);
    return ids;
  }
}
