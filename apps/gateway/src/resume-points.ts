import {
  type ArgumentNode,
  type DocumentNode,
  type FieldNode,
  Kind,
  type ObjectTypeDefinitionNode,
  type OperationDefinitionNode,
  OperationTypeNode,
  parse,
  type TypeNode,
  type ValueNode,
} from 'graphql';

/** How a subscription says where it goes on: the argument that takes what the field of the last state held. */
export type ResumePoint = { readonly argument: string; readonly field: string; readonly kind: 'version' | 'cursor' };
export type ResumePoints = ReadonlyMap<string, ResumePoint>;
/** A version is a number that rises, a cursor a text that means nothing to us. */
export type Place = number | string;

export type Operation = { readonly document: DocumentNode; readonly variables: Readonly<Record<string, unknown>> };

const kinds: readonly ResumePoint[] = [
  { argument: 'afterVersion', field: 'version', kind: 'version' },
  { argument: 'after', field: 'cursor', kind: 'cursor' },
];

/** The subscriptions of a supergraph that can be resumed, by their names. */
export function resumePointsOf(supergraphSdl: string): ResumePoints {
  const types = new Map<string, ObjectTypeDefinitionNode>();
  for (const definition of parse(supergraphSdl, { noLocation: true }).definitions)
    if (definition.kind === Kind.OBJECT_TYPE_DEFINITION) types.set(definition.name.value, definition);
  const points = new Map<string, ResumePoint>();
  for (const { name, arguments: taken, type } of types.get('Subscription')?.fields ?? []) {
    const given = types.get(nameOf(type))?.fields ?? [];
    const point = kinds.find(
      ({ argument, field }) =>
        taken?.some(each => each.name.value === argument) === true && given.some(each => each.name.value === field),
    );
    if (point !== undefined) points.set(name.value, point);
  }
  return points;
}

/** The one operation of a document, its one field, and how that is resumed; undefined for anything else. */
export function resumableField(
  document: DocumentNode,
  points: ResumePoints,
): { operation: OperationDefinitionNode; field: FieldNode; point: ResumePoint } | undefined {
  const operations = document.definitions.filter(node => node.kind === Kind.OPERATION_DEFINITION);
  const [operation] = operations;
  if (operation === undefined || operations.length !== 1) return undefined;
  if (operation.operation !== OperationTypeNode.SUBSCRIPTION) return undefined;
  const [field] = operation.selectionSet.selections;
  if (field?.kind !== Kind.FIELD) return undefined;
  const point = points.get(field.name.value);
  return point && { operation, field, point };
}

/** The same operation from `place` on. The variable that the client may have used for the argument stays in use: an unused one is refused. */
export function resumedAfter(operation: Operation, points: ResumePoints, place: Place): Operation {
  const found = resumableField(operation.document, points);
  if (found === undefined) throw new Error('a subscription that cannot be resumed was to be');
  const { field, point } = found;
  const given = field.arguments?.find(({ name }) => name.value === point.argument);
  if (given?.value.kind === Kind.VARIABLE)
    return { ...operation, variables: { ...operation.variables, [given.value.name.value]: place } };
  const rest = field.arguments?.filter(each => each !== given) ?? [];
  const replaced = { ...field, arguments: [...rest, argumentOf(point.argument, place)] };
  return { ...operation, document: withField(operation.document, found.operation, replaced) };
}

/** Has the place of each state come along under `key`, whether the client asked for it or not. */
export function showingPlace(document: DocumentNode, points: ResumePoints, key: string): DocumentNode {
  const found = resumableField(document, points);
  if (found === undefined) throw new Error('a subscription that cannot be resumed was to show its place');
  const { operation, field, point } = found;
  const shown: FieldNode = {
    kind: Kind.FIELD,
    alias: { kind: Kind.NAME, value: key },
    name: { kind: Kind.NAME, value: point.field },
  };
  const selections = [...(field.selectionSet?.selections ?? []), shown];
  return withField(document, operation, { ...field, selectionSet: { kind: Kind.SELECTION_SET, selections } });
}

/** Under which key a result holds this field. */
export function keyOf({ alias, name }: FieldNode): string {
  return (alias ?? name).value;
}

function withField(document: DocumentNode, operation: OperationDefinitionNode, field: FieldNode): DocumentNode {
  const changed = { ...operation, selectionSet: { ...operation.selectionSet, selections: [field] } };
  return { ...document, definitions: document.definitions.map(each => (each === operation ? changed : each)) };
}

function argumentOf(name: string, place: Place): ArgumentNode {
  const value: ValueNode =
    typeof place === 'number' ? { kind: Kind.INT, value: String(place) } : { kind: Kind.STRING, value: place };
  return { kind: Kind.ARGUMENT, name: { kind: Kind.NAME, value: name }, value };
}

function nameOf(type: TypeNode): string {
  return type.kind === Kind.NAMED_TYPE ? type.name.value : nameOf(type.type);
}
