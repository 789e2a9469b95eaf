/** Telling conditions from expressions: one grammar parses both. */
import type { Condition, Expression } from './ast.ts';

const conditionKinds: ReadonlySet<string> = new Set<Condition['kind']>([
  'compare',
  'quantified',
  'and',
  'or',
  'not',
  'is null',
  'in list',
  'in query',
  'between',
  'like',
  'exists',
]);

export function isCondition(node: Expression | Condition): node is Condition {
  return conditionKinds.has(node.kind);
}
