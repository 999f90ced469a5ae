import type { EntityKind } from '../catalog/entities.ts'
import {
  deleteInlinePolicy,
  findInlinePolicy,
  listInlinePolicies,
  putInlinePolicy,
} from '../catalog/inline-policies.ts'
import { isRefusal, refuse } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import { required, shape } from '../model/shapes.ts'
import { entityNamed, entityWords } from './entities.ts'
import { query } from './operation.ts'
import { page } from './page.ts'
import { documentRefusal, encodePolicy } from './policy-document.ts'
import { paging, policyDocumentType, policyNameType } from './types.ts'

/** Put…Policy, Get…Policy, List…Policies and Delete…Policy of one kind. */
function inlinePoliciesOf(kind: EntityKind) {
  const { word, member, naming } = entityWords[kind]
  const on = entityNamed<EntityKind>(kind)
  const named = { ...naming, PolicyName: required(policyNameType) } as const
  const absent = (name: string) => refuse('NoSuchEntity', `The ${kind} policy with name ${name} cannot be found.`)
  return {
    Put: query({
      input: shape({ ...named, PolicyDocument: required(policyDocumentType) }),
      action: `iam:Put${word}Policy`,
      isReadOnly: false,
      errors: ['LimitExceeded', 'MalformedPolicyDocument', 'NoSuchEntity', 'UnmodifiableEntity'],
      on,
      async handle({ PolicyName, PolicyDocument }, _call, owner, { database }) {
        const refusal = documentRefusal(PolicyDocument, 'identity', null)
        if (refusal !== null) return refusal
        const policy = { ownerId: owner.id, name: PolicyName, document: PolicyDocument }
        if (await putInlinePolicy(database, kind, policy)) return undefined
        const max = limits.inlinePolicySizeMax[kind]
        return refuse('LimitExceeded', `Maximum policy size of ${max} bytes exceeded for ${kind} ${owner.name}`)
      },
    }),
    Get: query({
      input: shape(named),
      action: `iam:Get${word}Policy`,
      isReadOnly: true,
      errors: ['NoSuchEntity'],
      on,
      async handle({ PolicyName }, _call, owner, { database }) {
        const policy = await findInlinePolicy(database, owner.id, PolicyName)
        if (policy === null) return absent(PolicyName)
        return { [member]: owner.name, PolicyName: policy.name, PolicyDocument: encodePolicy(policy.document) }
      },
    }),
    List: query({
      input: shape({ ...naming, ...paging }),
      action: `iam:List${word}Policies`,
      isReadOnly: true,
      errors: ['NoSuchEntity'],
      on,
      async handle(input, call, owner, services) {
        const names = await page(input, call, services, {
          query: [`List${word}Policies`, owner.id],
          fetch: (place, count) => listInlinePolicies(services.database, owner.id, place, count),
          placeOf: (name) => name,
        })
        return isRefusal(names) ? names : { PolicyNames: names.items, ...names.next }
      },
    }),
    Delete: query({
      input: shape(named),
      action: `iam:Delete${word}Policy`,
      isReadOnly: false,
      errors: ['LimitExceeded', 'NoSuchEntity', 'UnmodifiableEntity'],
      on,
      async handle({ PolicyName }, _call, owner, { database }) {
        return (await deleteInlinePolicy(database, owner.id, PolicyName)) ? undefined : absent(PolicyName)
      },
    }),
  }
}

export const inlinePolicies = {
  user: inlinePoliciesOf('user'),
  group: inlinePoliciesOf('group'),
  role: inlinePoliciesOf('role'),
}
