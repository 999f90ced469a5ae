import { authorizeRetire } from '../access/decide.ts'
import type { AccessRequest, Grant } from '../access/request.ts'
import { keyArn } from '../model/arn.ts'
import { dryRunSucceeded, isRefusal, refuse } from '../model/errors.ts'
import { ungrantable } from '../model/key-specs.ts'
import { limits } from '../model/limits.ts'
import { isSameGrant } from './grant-storage.ts'
import type { Key, KeyCall, KeyRecord, NewGrant } from './key.ts'
import { policyOf } from './key-access.ts'
import type { KeyCore } from './key-core.ts'
import { retirableGrantEntry } from './outbox.ts'

/** How the grants on one key come and go. */
export class GrantChanges {
  readonly #core: KeyCore

  constructor(core: KeyCore) {
    this.#core = core
  }

  async create(call: KeyCall, grant: NewGrant, isDryRun: boolean): ReturnType<Key['createGrant']> {
    let grantId = grant.grantId
    const snapshot = await this.#core.change(call, 'CreateGrant', (record) => {
      const refusal = grantRefusal(record, grant)
      if (refusal !== null) return refusal
      const same = this.#core.grants
        .named(grant.name ?? '')
        .find((earlier) => isSameGrant(earlier, grant, call.principal.account))
      if (same !== undefined) {
        grantId = same.grantId
        return isDryRun ? dryRunSucceeded() : null
      }
      if (this.#core.grants.count() >= limits.grantsPerKeyMax) {
        const { region, account, keyId } = record
        const arn = keyArn(region, account, keyId)
        return refuse(
          'LimitExceededException',
          `${arn} has ${limits.grantsPerKeyMax} grants, which is as many as a key may have.`,
        )
      }
      if (isDryRun) return dryRunSucceeded()
      const made: Grant = { ...grant, issuingAccount: call.principal.account, createdAt: call.time }
      this.#core.grants.add(made)
      this.tell(record, made, false)
      return record
    })
    return isRefusal(snapshot) ? snapshot : { grantId, snapshot }
  }

  retire(call: KeyCall, grantId: string, isDryRun: boolean) {
    const authorized = (request: AccessRequest, record: KeyRecord) => {
      const grant = this.#core.grants.find(grantId)
      return grant === null ? null : authorizeRetire(request, grant, policyOf(record))
    }
    const decide = (record: KeyRecord) => this.#withoutGrant(record, grantId, isDryRun)
    return this.#core.change(call, 'RetireGrant', decide, { authorized })
  }

  revoke(call: KeyCall, grantId: string, isDryRun: boolean) {
    return this.#core.change(call, 'RevokeGrant', (record) => this.#withoutGrant(record, grantId, isDryRun))
  }

  #withoutGrant(record: KeyRecord, grantId: string, isDryRun: boolean) {
    const grant = this.#core.grants.find(grantId)
    if (grant === null) return grantNotFound(grantId)
    if (isDryRun) return dryRunSucceeded()
    this.#core.grants.remove(grantId)
    this.tell(record, grant, true)
    return record
  }

  tell(record: KeyRecord, grant: Grant, isGone: boolean): void {
    const entry = retirableGrantEntry(record, grant, isGone)
    if (entry !== null) this.#core.outbox.add(entry)
  }
}

/** Null: a key of this kind may have such a grant. */
function grantRefusal({ spec, usage }: KeyRecord, { operations, constraints }: NewGrant) {
  const [unsupported] = ungrantable(spec, usage, operations)
  if (unsupported !== undefined) {
    const text = `Operation ${unsupported} is not supported in a grant on a key with KeySpec ${spec} and KeyUsage ${usage}.`
    return refuse('ValidationException', text)
  }
  const { encryptionContextEquals, encryptionContextSubset } = constraints ?? {}
  const hasContext = encryptionContextEquals !== undefined || encryptionContextSubset !== undefined
  if (!hasContext || spec === 'SYMMETRIC_DEFAULT') return null
  const text = `Encryption context constraints are not supported in a grant on a key with KeySpec ${spec}.`
  return refuse('ValidationException', text)
}

function grantNotFound(grantId: string) {
  return refuse('NotFoundException', `Grant ID ${grantId} not found`)
}
