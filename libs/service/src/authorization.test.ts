import { describe, expect, it } from '@jest/globals';
import { actions, allows, type Action } from './authorization.ts';
import { roles, type Role } from './identity.ts';

const matrix: Record<Role, readonly Action[]> = {
  viewer: ['read'],
  operator: ['read', 'operate'],
  'recovery-manager': ['read', 'operate', 'recover'],
  approver: ['read', 'approve'],
  auditor: ['read', 'audit'],
  admin: ['read', 'operate', 'administer'],
};

describe('authorization', () => {
  it.each(roles.flatMap(role => actions.map(action => [role, action] as const)))('%s, %s', (role, action) => {
    const refusal = allows({ sub: 's', roles: [role], groups: ['*'] }, action, 'g1');
    if (matrix[role].includes(action)) expect(refusal).toBeUndefined();
    else expect(refusal).toMatchObject({ rule: `role:${action}`, fix: expect.stringContaining('Ask') });
  });

  it('adds up the roles of one caller and grants nothing without a role', () => {
    expect(allows({ sub: 's', roles: ['approver', 'recovery-manager'], groups: ['*'] }, 'recover')).toBeUndefined();
    expect(allows({ sub: 's', roles: [], groups: ['*'] }, 'read')).toMatchObject({ rule: 'role:read' });
  });

  it('keeps to the groups of the caller', () => {
    const caller = { sub: 's', roles: ['viewer'] as const, groups: ['g1'] };
    expect(allows(caller, 'read', 'g1')).toBeUndefined();
    expect(allows(caller, 'read')).toBeUndefined();
    expect(allows(caller, 'read', 'g2')).toMatchObject({ rule: 'scope:group' });
    expect(allows({ ...caller, groups: [] }, 'read', 'g1')).toMatchObject({ rule: 'scope:group' });
  });
});
