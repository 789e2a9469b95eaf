import { Kind, type OperationDefinitionNode } from 'graphql';

/** Names an operation in traces: its kind and its first field. Both are of the schema; a client's own name for it could be anything. */
export function operationTitle({ operation, selectionSet }: OperationDefinitionNode): string {
  const field = selectionSet.selections.find(selection => selection.kind === Kind.FIELD);
  return field === undefined ? operation : `${operation} ${field.name.value}`;
}
