import type { GroupId } from '@holdfast/domain';

/** A BizTalk computer of a group; those of the recovery site are members of it too (biztalk-dr.md §1.4). */
export type GroupComputer = { readonly id: string; readonly groupId: GroupId; readonly name: string };
