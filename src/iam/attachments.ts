import { attachPolicy, detachPolicy, listAttached, listUsersOfPolicy } from '../catalog/attachments.ts'
import type { EntityKind } from '../catalog/entities.ts'
import { isRefusal, refuse } from '../model/errors.ts'
import { nameInArn } from '../model/iam-arn.ts'
import { limits } from '../model/limits.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { entityNamed, entityWords, notFound } from './entities.ts'
import { query } from './operation.ts'
import { page } from './page.ts'
import { mayBeNamed, notAnArn, notAttachable, policyNamed, policyNotFound } from './policies-named.ts'
import { arnType, EntityType, PolicyUsageType, paging, pathType, policyPathType } from './types.ts'

/** Attach…Policy, Detach…Policy and ListAttached…Policies of one kind. */
function attachmentsOf(kind: EntityKind) {
  const { word, naming } = entityWords[kind]
  const on = entityNamed<EntityKind>(kind)
  const named = { ...naming, PolicyArn: required(arnType) } as const
  return {
    Attach: query({
      input: shape(named),
      action: `iam:Attach${word}Policy`,
      isReadOnly: false,
      errors: ['InvalidInput', 'LimitExceeded', 'NoSuchEntity', 'PolicyNotAttachable', 'UnmodifiableEntity'],
      on,
      async handle({ PolicyArn }, call, { id, name }, { database }) {
        const refusal = notAnArn(PolicyArn)
        if (refusal !== null) return refusal
        if (!mayBeNamed(PolicyArn, call.principal.account)) return notAttachable(PolicyArn)
        const outcome = await attachPolicy(database, kind, id, PolicyArn)
        if (outcome === 'attached') return undefined
        if (outcome === 'noOwner') return notFound(kind, name)
        if (outcome === 'noPolicy') return notAttachable(PolicyArn)
        return refuse('LimitExceeded', `Cannot exceed quota for PoliciesPer${word}: ${limits.attachedPoliciesMax}`)
      },
    }),
    Detach: query({
      input: shape(named),
      action: `iam:Detach${word}Policy`,
      isReadOnly: false,
      errors: ['InvalidInput', 'LimitExceeded', 'NoSuchEntity', 'UnmodifiableEntity'],
      on,
      async handle({ PolicyArn }, _call, { id }, { database }) {
        const refusal = notAnArn(PolicyArn)
        if (refusal !== null) return refusal
        return (await detachPolicy(database, id, PolicyArn)) ? undefined : policyNotFound(PolicyArn)
      },
    }),
    List: query({
      input: shape({ ...naming, PathPrefix: optional(policyPathType), ...paging }),
      action: `iam:ListAttached${word}Policies`,
      isReadOnly: true,
      errors: ['InvalidInput', 'NoSuchEntity'],
      on,
      async handle(input, call, { id }, services) {
        const prefix = input.PathPrefix ?? '/'
        const arns = await page(input, call, services, {
          query: [`ListAttached${word}Policies`, id, prefix],
          async fetch(place, count) {
            // There are ten at most, so all of them are looked through.
            const all = await listAttached(services.database, id, place, limits.attachedPoliciesMax)
            return all.filter((arn) => pathInArn(arn).startsWith(prefix)).slice(0, count)
          },
          placeOf: (arn) => arn,
        })
        if (isRefusal(arns)) return arns
        const AttachedPolicies = arns.items.map((arn) => ({ PolicyName: nameInArn(arn), PolicyArn: arn }))
        return { AttachedPolicies, ...arns.next }
      },
    }),
  }
}

export const attachments = {
  user: attachmentsOf('user'),
  group: attachmentsOf('group'),
  role: attachmentsOf('role'),
}

const kindsOf: Readonly<Record<string, readonly EntityKind[]>> = {
  User: ['user'],
  Group: ['group'],
  Role: ['role'],
}

export const ListEntitiesForPolicy = query({
  input: shape({
    PolicyArn: required(arnType),
    EntityFilter: optional(EntityType),
    PathPrefix: optional(pathType),
    PolicyUsageFilter: optional(PolicyUsageType),
    ...paging,
  }),
  action: 'iam:ListEntitiesForPolicy',
  isReadOnly: true,
  errors: ['InvalidInput', 'NoSuchEntity'],
  on: policyNamed,
  async handle(input, call, _policy, services) {
    const { PolicyArn, EntityFilter, PathPrefix = '/', PolicyUsageFilter } = input
    const having = {
      account: call.principal.account,
      policyArn: PolicyArn,
      kinds: EntityFilter === undefined ? (['group', 'role', 'user'] as const) : (kindsOf[EntityFilter] ?? []),
      pathPrefix: PathPrefix,
      asPermissions: PolicyUsageFilter !== 'PermissionsBoundary',
      asBoundary: PolicyUsageFilter !== 'PermissionsPolicy',
    }
    const entities = await page(input, call, services, {
      query: ['ListEntitiesForPolicy', PolicyArn, EntityFilter, PathPrefix, PolicyUsageFilter],
      fetch: (place, count) => listUsersOfPolicy(services.database, having, place, count),
      placeOf: ({ place }) => place,
    })
    if (isRefusal(entities)) return entities
    const ofKind = (kind: EntityKind) => {
      const { word, member } = entityWords[kind]
      return entities.items
        .filter((entity) => entity.kind === kind)
        .map(({ name, id }) => ({ [member]: name, [`${word}Id`]: id }))
    }
    return { PolicyGroups: ofKind('group'), PolicyUsers: ofKind('user'), PolicyRoles: ofKind('role'), ...entities.next }
  },
})

/** `/a/b/` of `arn:aws:iam::…:policy/a/b/NAME`. */
function pathInArn(arn: string): string {
  return arn.slice(arn.indexOf('/'), arn.lastIndexOf('/') + 1)
}
