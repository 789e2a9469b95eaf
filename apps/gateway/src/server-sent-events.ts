import type { GatewayPlugin } from '@graphql-hive/gateway-runtime';
import { type DocumentNode, type ExecutionResult, GraphQLError, Kind, parse, print } from 'graphql';
import { keyOf, type Place, resumableField, resumedAfter, type ResumePoints } from './resume-points.ts';
import { isResultStream, mapStream } from './streams.ts';

const lastEventId = 'last-event-id';

/**
 * Makes subscriptions over Server-Sent Events resumable in that protocol's own way: where the operation selects the field that says where a
 * state stands (`version`, `cursor`), each event has it as its `id:`, and a request with `Last-Event-ID` goes on after it.
 */
export function serverSentEvents(points: ResumePoints): GatewayPlugin {
  const documents = new WeakMap<object, DocumentNode>();
  return {
    onParams({ request, params, setParams }) {
      const id = (request as Request | undefined)?.headers.get(lastEventId) ?? '';
      const operation = id === '' || typeof params.query !== 'string' ? undefined : parsed(params.query);
      const found = operation && resumableField(operation, points);
      if (operation === undefined || found === undefined) return;
      const variables = (params.variables ?? {}) as Record<string, unknown>;
      const resumed = resumedAfter({ document: operation, variables }, points, placeOf(id, found.point.kind));
      setParams({ ...params, query: print(resumed.document), variables: resumed.variables });
    },
    onSubscribe({ args }) {
      const { request } = args.contextValue as { request?: object };
      if (request !== undefined) documents.set(request, args.document as DocumentNode);
    },
    onResultProcess(hook) {
      const { request, result, resultProcessor } = hook;
      const document = documents.get(request);
      const found = document && resumableField(document, points);
      if (found === undefined || resultProcessor === undefined || !isResultStream(result)) return;
      const selected = found.field.selectionSet?.selections ?? [];
      const shown = selected.find(each => each.kind === Kind.FIELD && each.name.value === found.point.field);
      if (shown?.kind !== Kind.FIELD) return;
      const marked = (event: ExecutionResult): ExecutionResult =>
        withId(event, (event.data?.[keyOf(found.field)] as Record<string, unknown> | null | undefined)?.[keyOf(shown)]);
      // What the source throws is made a result before it comes here.
      const failed = (thrown: unknown): ExecutionResult => ({ errors: [thrown as GraphQLError] });
      hook.setResult(mapStream(result, marked, failed) as never);
    },
  };
}

/** Undefined for a text that is no operation: why, is for the validation to say. */
function parsed(query: string): DocumentNode | undefined {
  try {
    return parse(query, { noLocation: true });
  } catch (error) {
    if (error instanceof GraphQLError) return undefined;
    throw error;
  }
}

function placeOf(id: string, kind: 'version' | 'cursor'): Place {
  if (kind === 'cursor') return id;
  if (/^\d{1,9}$/.test(id)) return Number(id);
  const message = 'Last-Event-ID is not the id of an event of this subscription.';
  throw new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT', retryable: false, http: { status: 400 } } });
}

/** The runtime writes `data: ` before what `stringify` gives and an empty line after it; a line more is a field more of the same event. */
function withId(event: ExecutionResult, place: unknown): ExecutionResult {
  if (typeof place !== 'number' && typeof place !== 'string') return event;
  const stringify = (result: unknown): string => `${JSON.stringify(result)}\nid: ${place}`;
  return { ...event, stringify } as ExecutionResult;
}
