import type { HeldPolicy, PrincipalRecord } from '../catalog/principals.ts'
import type { Session } from '../crypto/session-token.ts'
import type { Documents, PolicyDocument, Principal } from '../model/call.ts'
import { awsManagedPolicy } from './aws-managed-policies.ts'

/** What a role's sessions have of it. */
export interface RolePowers extends Omit<Documents, 'session'> {
  readonly tags: Readonly<Record<string, string>>
}

export function userPrincipal(user: PrincipalRecord): Principal {
  const { id, account, arn, tags } = user
  return { kind: 'user', account, arn, id, tags, documents: { ...documentsOf(user), session: [] }, session: null }
}

export function rolePowers(role: PrincipalRecord): RolePowers {
  return { ...documentsOf(role), tags: role.tags }
}

/** A session as of what its role may now: its own tags are over the role's, its own policies cut what the role may. */
export function sessionPrincipal(
  { account, arn, facts, policies }: Pick<Session, 'account' | 'arn' | 'facts' | 'policies'>,
  { identity, boundary, tags }: RolePowers,
): Principal {
  return {
    kind: 'session',
    account,
    arn,
    id: `${facts.roleId}:${facts.sessionName}`,
    tags: { ...tags, ...facts.tags },
    documents: { identity, boundary, session: policies },
    session: facts,
  }
}

const nothing = '{"Version":"2012-10-17","Statement":[]}'

function documentsOf({ policies, boundary }: PrincipalRecord): Omit<Documents, 'session'> {
  return {
    identity: policies.flatMap((policy) => documentOf(policy) ?? []),
    // A boundary that cannot be read lets nothing through.
    boundary: boundary === null ? null : (documentOf(boundary) ?? { name: boundary.name, text: nothing }),
  }
}

/** Null: there is no such policy. */
export function documentOf({ name, text }: HeldPolicy): PolicyDocument | null {
  const known = text ?? awsManagedPolicy(name)
  return known === null ? null : { name, text: known }
}
