import type { GatewayPlugin } from '@graphql-hive/gateway-runtime';
import type { DocumentNode } from 'graphql';

type Args = { readonly args: { document?: unknown } };

/**
 * The check of roles (`genericAuth`) hands on a copy of every document, also of one that it left as it was. Plans, printed texts and all else
 * that is made once per document are kept by the object: with a copy each request would be planned anew. What was not changed becomes the
 * first copy again. Must come after that check.
 */
export function knownDocuments(): GatewayPlugin {
  // By a part that is the parser's own in every copy, and goes when the parser forgets it.
  const known = new WeakMap<object, DocumentNode>();
  const replace = ({ args }: Args): void => {
    const document = args.document as DocumentNode;
    const [first] = document.definitions;
    if (first === undefined || !('selectionSet' in first)) return;
    const before = known.get(first.selectionSet);
    if (before === undefined) known.set(first.selectionSet, document);
    else if (isCopy(document, before)) args.document = before;
  };
  return { onExecute: replace, onSubscribe: replace };
}

function isCopy(one: DocumentNode, other: DocumentNode): boolean {
  return (
    one.definitions.length === other.definitions.length &&
    one.definitions.every((definition, index) => haveSameParts(definition, other.definitions[index] ?? {}))
  );
}

function haveSameParts(one: object, other: object): boolean {
  const [parts, others] = [Object.entries(one), new Map<string, unknown>(Object.entries(other))];
  return parts.length === others.size && parts.every(([name, part]) => others.get(name) === part);
}
