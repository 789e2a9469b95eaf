import type { Logger } from '@holdfast/service';
import type { GatewayConfigSupergraph } from '@graphql-hive/gateway-runtime';

export type UnifiedGraphHandler = NonNullable<GatewayConfigSupergraph['unifiedGraphHandler']>;

/** Loads the native planner for a supergraph or throws. */
export type LoadPlanner = (supergraphSdl: string) => Promise<UnifiedGraphHandler>;

/**
 * Importing the runtime succeeds where the addon is missing, and then every request fails: only planning proves it
 * (gateway.md §4 pitfall 6).
 */
export const loadRustPlanner: LoadPlanner = async supergraphSdl => {
  const { QueryPlanner } = await import('@graphql-hive/router-query-planner');
  await new QueryPlanner(supergraphSdl).planAsync('{ __typename }', undefined, new Set(), 0, undefined);
  return (await import('@graphql-hive/router-runtime')).unifiedGraphHandler;
};

export type Planner = { readonly name: 'rust' | 'js'; readonly handler: UnifiedGraphHandler | undefined };

/** The Rust planner, or the runtime's own JavaScript planner (no handler) where the addon does not load. */
export async function probePlanner(supergraphSdl: string, logger: Logger, load: LoadPlanner): Promise<Planner> {
  try {
    const handler = await load(supergraphSdl);
    logger.info({ planner: 'rust' }, 'the Rust query planner is used');
    return { name: 'rust', handler };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    logger.warn({ planner: 'js', reason }, 'the Rust query planner does not load, the JavaScript planner is used');
    return { name: 'js', handler: undefined };
  }
}
