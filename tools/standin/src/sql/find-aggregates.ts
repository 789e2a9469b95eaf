/** Is there an aggregate in this expression, outside of its subqueries? */
import type { Condition, Expression } from './ast.ts';
import { isAggregate } from './bind-aggregate.ts';
import { isCondition } from './node-kind.ts';

export function containsAggregate(node: Expression | Condition): boolean {
  return isCondition(node) ? inCondition(node) : inExpression(node);
}

function any(nodes: readonly (Expression | Condition | undefined)[]): boolean {
  return nodes.some(node => node !== undefined && containsAggregate(node));
}

function inExpression(node: Expression): boolean {
  switch (node.kind) {
    case 'call':
      return (
        (isAggregate(node.name) && node.over === undefined) ||
        any(node.arguments) ||
        any([...(node.over?.partitionBy ?? []), ...(node.over?.orderBy ?? []).map(each => each.value)])
      );
    case 'unary':
      return inExpression(node.operand);
    case 'binary':
      return any([node.left, node.right]);
    case 'case':
      return any([node.operand, node.otherwise, ...node.branches.flatMap(each => [each.when, each.then])]);
    case 'cast':
      return inExpression(node.operand);
    case 'iif':
      return any([node.condition, node.then, node.otherwise]);
    default:
      return false;
  }
}

function inCondition(node: Condition): boolean {
  switch (node.kind) {
    case 'compare':
    case 'and':
    case 'or':
      return any([node.left, node.right]);
    case 'quantified':
      return inExpression(node.left);
    case 'not':
      return inCondition(node.operand);
    case 'is null':
    case 'in query':
      return inExpression(node.operand);
    case 'in list':
      return any([node.operand, ...node.items]);
    case 'between':
      return any([node.operand, node.low, node.high]);
    case 'like':
      return any([node.operand, node.pattern]);
    case 'exists':
      return false;
  }
}
