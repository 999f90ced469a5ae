import type { Database } from '../catalog/database.ts'
import { type EntityKind, type EntityRows, findEntity } from '../catalog/entities.ts'
import { type HeldPolicy, heldPolicies, managedDocument } from '../catalog/held-policies.ts'
import { listTags } from '../catalog/iam-tags.ts'
import type { Call, PolicyDocument, Principal } from '../model/call.ts'
import { refuse } from '../model/errors.ts'
import { iamArn, isAwsPolicyArn, nameInArn } from '../model/iam-arn.ts'
import { awsManagedPolicy } from './aws-managed-policies.ts'
import { entityTarget, notFound } from './entities.ts'
import type { TargetFinder } from './operation.ts'

/** A policy under the names by which a simulation tells of it. */
export interface SourcePolicy extends PolicyDocument {
  readonly id: string
  readonly type: 'user' | 'group' | 'role' | 'aws-managed' | 'user-managed' | 'none'
}

/** Whose policies a simulation is about. */
export interface PolicySource {
  readonly principal: Omit<Principal, 'documents'>
  readonly policies: readonly SourcePolicy[]
  readonly boundary: PolicyDocument | null
}

interface SourceEntity {
  readonly kind: EntityKind
  readonly row: EntityRows[EntityKind]
}

/** The user, group or role of the account that the ARN names. */
export const sourceNamed: TargetFinder<{ readonly PolicySourceArn: string }, SourceEntity> = async (
  { PolicySourceArn: arn },
  { principal: { account } },
  { database },
) => {
  const [, of, kind, name = ''] = /^arn:aws:iam::(\d{12}):(user|group|role)\/(?:.*\/)?([^/]+)$/.exec(arn) ?? []
  const absent = { arn, ownerId: null, boundaryArn: null }
  if (kind === undefined) return { ...absent, found: refuse('InvalidInput', `ARN ${arn} is not valid.`) }
  const row = of === account ? await findEntity(database, kind as EntityKind, account, name) : null
  if (row === null || iamArn(kind as EntityKind, row) !== arn) {
    return { ...absent, found: notFound(kind as EntityKind, name) }
  }
  return { ...entityTarget<EntityKind>(kind as EntityKind, row), found: { kind: kind as EntityKind, row } }
}

/** What the entity has, and what it is supposed to have besides. */
export async function principalSource(
  { kind, row }: SourceEntity,
  given: readonly string[] | undefined,
  callerArn: string | undefined,
  db: Database,
): Promise<PolicySource> {
  const boundaryArn = 'boundaryArn' in row ? row.boundaryArn : null
  const [held, tags, boundary] = await Promise.all([
    heldPolicies(db, kind, row.id),
    listTags(db, row.id),
    boundaryArn === null ? null : boundaryDocument(db, boundaryArn),
  ])
  const caller = principalOf(kind, row)
  return {
    principal: {
      ...caller,
      arn: callerArn ?? caller.arn,
      tags: Object.fromEntries(tags.map(({ tagKey, tagValue }) => [tagKey, tagValue])),
    },
    policies: [...held.flatMap((policy) => sourcePolicy(policy) ?? []), ...givenPolicies(given)],
    boundary,
  }
}

/** Policies that nobody has yet, as if the caller had them, or whom it names. */
export function customSource(given: readonly string[], callerArn: string | undefined, call: Call): PolicySource {
  const account = callerArn?.split(':')[4] || call.principal.account
  const arn = callerArn ?? iamArn('user', { account, path: '/', name: 'simulated' })
  return {
    principal: { kind: 'user', account, arn, id: arn, tags: {}, session: null },
    policies: givenPolicies(given),
    boundary: null,
  }
}

export function documentOf({ name, text }: SourcePolicy): PolicyDocument {
  return { name, text }
}

function givenPolicies(texts: readonly string[] = []): SourcePolicy[] {
  return texts.map((text, index) => {
    const id = `PolicyInputList.${index + 1}`
    return { id, name: id, type: 'none', text }
  })
}

/** Null: an AWS policy that is not served here. */
function sourcePolicy({ kind, ownerName, isInline, name, text }: HeldPolicy): SourcePolicy | null {
  const document = text ?? awsManagedPolicy(name)
  if (document === null) return null
  if (isInline) return { id: `${kind}_${ownerName}_${name}`, name, type: kind, text: document }
  return { id: nameInArn(name), name, type: isAwsPolicyArn(name) ? 'aws-managed' : 'user-managed', text: document }
}

async function boundaryDocument(db: Database, arn: string): Promise<PolicyDocument> {
  const text = isAwsPolicyArn(arn) ? awsManagedPolicy(arn) : await managedDocument(db, arn)
  // One that cannot be read lets nothing through, as in a call.
  return { name: arn, text: text ?? '{"Version":"2012-10-17","Statement":[]}' }
}

/** A role acts by its sessions; what a group has, some member of it would have. */
function principalOf(kind: EntityKind, row: EntityRows[EntityKind]): Omit<Principal, 'documents'> {
  const { id, account, name } = row
  const arn = iamArn(kind, row)
  if (kind !== 'role') return { kind: 'user', account, arn, id, tags: {}, session: null }
  const session = {
    roleArn: arn,
    roleId: id,
    sessionName: 'simulated',
    issuedAt: row.createdAt,
    sourceIdentity: null,
    federatedProvider: null,
  }
  const sessionArn = `arn:aws:sts::${account}:assumed-role/${name}/simulated`
  return { kind: 'session', account, arn: sessionArn, id: `${id}:simulated`, tags: {}, session }
}
