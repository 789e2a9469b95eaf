import type { GroupId } from '@holdfast/domain';

/** A BizTalk group as registered: defined by its databases, found through its Management database. */
export type Group = {
  readonly id: GroupId;
  readonly name: string;
  readonly site: string;
  readonly tags: readonly string[];
  /** RFC 3339, UTC. */
  readonly registeredAt: string;
};
