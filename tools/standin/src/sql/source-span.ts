/** Where syntax stands in its batch: a part of a statement can be sent to another instance in its own words. */
import type { Condition, Name, Query, Statement } from './ast.ts';

/** Offsets of characters, `end` excluded. */
export type Span = { readonly text: string; readonly start: number; readonly end: number };

const spans = new WeakMap<Statement | Query | Condition, Span>();
const servers = new WeakMap<Name, Span>();
const naming = new WeakSet<Statement | Condition>();

export function setSpan(node: Statement | Query | Condition, span: Span): void {
  spans.set(node, span);
}

export function spanOf(node: Statement | Query | Condition): Span | undefined {
  return spans.get(node);
}

/** The characters of a four-part name up to and including the dot behind the server. */
export function setServerSpan(name: Name, span: Span): void {
  servers.set(name, span);
}

export function serverSpanOf(name: Name): Span | undefined {
  return servers.get(name);
}

/** A four-part name stands somewhere inside. Everything else is spared the search for linked servers. */
export function setNamesServer(node: Statement | Condition): void {
  naming.add(node);
}

export function namesServer(node: Statement | Condition): boolean {
  return naming.has(node);
}
