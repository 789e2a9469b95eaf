/** ROW_NUMBER, RANK, DENSE_RANK, LAG and LEAD. */
import type { SqlValue } from '../values.ts';
import type { Frame } from './bound.ts';
import { rowKey } from './compare.ts';
import { compareKeys } from './order.ts';
import type { WindowCall } from './session-state.ts';

export function computeWindows(calls: readonly WindowCall[], frames: readonly Frame[]): Frame[] {
  const results: SqlValue[][] = frames.map(() => []);
  calls.forEach((call, index) => {
    for (const [position, value] of computeCall(call, frames)) {
      const row = results[position];
      if (row !== undefined) row[index] = value;
    }
  });
  return frames.map((frame, i) => ({ ...frame, windows: results[i] ?? [] }));
}

function computeCall(call: WindowCall, frames: readonly Frame[]): [number, SqlValue][] {
  const partitions = new Map<
    string,
    { readonly position: number; readonly frame: Frame; readonly keys: readonly SqlValue[] }[]
  >();
  frames.forEach((frame, position) => {
    const key = rowKey(
      call.partitionBy.map(each => each.evaluate(frame)),
      call.partitionBy,
    );
    const entry = { position, frame, keys: call.orderBy.map(each => each.value.evaluate(frame)) };
    const members = partitions.get(key);
    if (members === undefined) partitions.set(key, [entry]);
    else members.push(entry);
  });
  return [...partitions.values()].flatMap(members => {
    const sorted = members.sort((a, b) => compareKeys(a.keys, b.keys, call.orderBy));
    let rank = 0n;
    let dense = 0n;
    return sorted.map(({ position, keys }, i): [number, SqlValue] => {
      const previous = sorted[i - 1];
      const tie = previous !== undefined && compareKeys(previous.keys, keys, call.orderBy) === 0;
      if (!tie) {
        rank = BigInt(i + 1);
        dense += 1n;
      }
      switch (call.name) {
        case 'RANK':
          return [position, rank];
        case 'DENSE_RANK':
          return [position, dense];
        case 'LAG':
          return [position, valueAt(call, sorted[i - 1]?.frame)];
        case 'LEAD':
          return [position, valueAt(call, sorted[i + 1]?.frame)];
        default:
          return [position, BigInt(i + 1)];
      }
    });
  });
}

function valueAt(call: WindowCall, frame: Frame | undefined): SqlValue {
  return frame === undefined ? null : (call.arguments[0]?.evaluate(frame) ?? null);
}
