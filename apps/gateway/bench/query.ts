/** The list: 50 groups with what each of the four services knows of them. `$after` names a page, so that requests differ. */
export const listQuery = `query List($after: String) {
  groups(first: 50, after: $after) {
    nodes {
      id name site
      latestRecoveryPoint { markName markedAt verdict }
      backupObservation { observedAt freshness }
      standbys { id state newestCommonMarkName }
      readiness { verdict }
      currentExecution { id state }
    }
    pageInfo { hasNextPage endCursor }
  }
}`;

/** What of it inventory answers alone. */
export const ownQuery = `query Own($after: String) {
  groups(first: 50, after: $after) { nodes { id name site } pageInfo { hasNextPage endCursor } }
}`;

/** Different requests, in turn: nobody can answer two that are under way with one. */
export const pages = Array.from({ length: 100 }, (_, page) => String(page));

export function bodyOf(query: string, after: string): string {
  return JSON.stringify({ query, variables: { after } });
}
