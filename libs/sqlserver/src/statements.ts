/**
 * Every statement the product sends to an estate, and nothing else. A statement that is not here is not sent; one that is here has its
 * documentation, its shape and what a repeat does (statement.ts). The injury harness and the stand-in read this list.
 */
import * as evidence from './statements-evidence.ts';
import * as inventory from './statements-inventory.ts';
import * as jobs from './statements-jobs.ts';
import * as management from './statements-management.ts';
import * as observe from './statements-observe.ts';
import * as restore from './statements-restore.ts';
import type { AnyStatement } from './statement.ts';

export const statements = {
  ...observe,
  ...evidence,
  ...management,
  ...inventory,
  ...jobs,
  ...restore,
} as const;

export const allStatements: readonly AnyStatement[] = Object.values(statements);
