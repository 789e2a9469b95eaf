import { type Caller, type Role } from './identity.ts';

/** `read` state; `operate` daily work; `recover` failover, failback, drills; `approve` somebody else's recovery; `audit` evidence; `administer` the control plane. */
export const actions = ['read', 'operate', 'recover', 'approve', 'audit', 'administer'] as const;
export type Action = (typeof actions)[number];

/** Same shape as the API's `NotAllowed` refusal. `rule` is a stable name. */
export type NotAllowed = { readonly message: string; readonly fix: string; readonly rule: string };

// An admin sets the system up but neither recovers nor approves: the same person must not be able to give themselves both.
const granted: Record<Role, readonly Action[]> = {
  viewer: ['read'],
  auditor: ['read', 'audit'],
  operator: ['read', 'operate'],
  'recovery-manager': ['read', 'operate', 'recover'],
  approver: ['read', 'approve'],
  admin: ['read', 'operate', 'administer'],
};

/**
 * Undefined when `caller` may; otherwise the refusal. Without `groupId` only the role is asked: for what belongs to no group, and before
 * a list is narrowed to the caller's groups.
 */
export function allows(caller: Caller, action: Action, groupId?: string): NotAllowed | undefined {
  if (!caller.roles.some(role => granted[role].includes(action))) {
    const able = (Object.keys(granted) as Role[]).filter(role => granted[role].includes(action));
    return {
      message: `Your roles (${caller.roles.join(', ') || 'none'}) do not include "${action}".`,
      fix: `Ask an administrator of your identity provider for one of: ${able.join(', ')}.`,
      rule: `role:${action}`,
    };
  }
  if (groupId !== undefined && !caller.groups.includes('*') && !caller.groups.includes(groupId)) {
    return {
      message: `You may "${action}", but not in BizTalk group ${groupId}.`,
      fix: 'Ask an administrator of your identity provider to add this group id to your token.',
      rule: 'scope:group',
    };
  }
  return undefined;
}
