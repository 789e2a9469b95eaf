import type { GroupId } from '@holdfast/domain';

/** An execution to which a group's source belongs from its claim to its end: nothing of ours is sent there meanwhile (design.md §5). */
export type SourceHold = { readonly executionId: string; readonly groupId: GroupId; readonly claimedAt: string };

/** Why facts of the source age. */
export function holdMessage({ executionId, claimedAt }: SourceHold): string {
  return `The source belongs to execution ${executionId} since ${claimedAt} and is not asked until that ends.`;
}
