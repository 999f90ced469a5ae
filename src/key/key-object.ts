import { DurableObject } from 'cloudflare:workers'
import { authorizeRetire } from '../access/decide.ts'
import { grantAllows, grantIdsOf } from '../access/grants.ts'
import type { AccessRequest, Grant, Verdict } from '../access/request.ts'
import { versionIdOf } from '../crypto/ciphertext.ts'
import type { RootKeys } from '../crypto/root-keys.ts'
import { rewrapMaterial } from '../crypto/seal.ts'
import { generateSymmetric, type SealedVersion } from '../crypto/symmetric.ts'
import { keyArn } from '../model/arn.ts'
import { eventsOf } from '../model/audit-event.ts'
import { anyRegion, type Call } from '../model/call.ts'
import {
  causeOf,
  dryRunSucceeded,
  type ExceptionName,
  invalidGrantToken,
  isRefusal,
  type Refusal,
  refuse,
  timedOut,
} from '../model/errors.ts'
import type { KeyEvent } from '../model/key-event.ts'
import { ungrantable } from '../model/key-specs.ts'
import { dayMs, limits } from '../model/limits.ts'
import { GrantStorage, isSameGrant } from './grant-storage.ts'
import type {
  GrantPage,
  Key,
  KeyCall,
  KeyRecord,
  KeySnapshot,
  NewGrant,
  NewKey,
  NewPolicy,
  ReadOperation,
  RotationPage,
  RotationType,
  Tag,
} from './key.ts'
import {
  creationDenial,
  denialOf,
  keyNotFound,
  keyRequest,
  keyVerdict,
  lockoutRefusal,
  policyOf,
} from './key-access.ts'
import type { KeyIndex } from './key-index.ts'
import { nextDue, rotationAfter, type StatefulOperation, stateRefusal, stateWithoutMaterial } from './lifecycle.ts'
import { indexEntry, Outbox, retirableGrantEntry } from './outbox.ts'
import { serviceEntries } from './service-entries.ts'
import { IndexStanding, type Standing } from './standing.ts'
import { KeyStorage } from './storage.ts'

/** What the composition root gives an object. */
export interface KeyObjectParts {
  readonly index: KeyIndex
  /** The root keys, proven to be this deployment's own. Throws while that cannot be proven. */
  sealingRoots(): Promise<RootKeys>
  /** Tells other Workers what befell the key. Throws where the queue does not take it. */
  sendEvents(events: readonly KeyEvent[]): Promise<void>
}

const flushWaitMs = 250
/** How many versions of a key one transaction seals anew, and how many grants one call tells the index of again. */
const rewrapMax = 25
const republishMax = 200

/** The Durable Object class of one key, over the parts that `assemble` makes from the environment. */
export function keyObjectClass<Env>(assemble: (env: Env) => KeyObjectParts) {
  return class KeyObject extends DurableObject<Env> implements Key {
    readonly #parts: KeyObjectParts
    readonly #storage: KeyStorage
    readonly #grants: GrantStorage
    readonly #outbox: Outbox
    readonly #standing: IndexStanding

    constructor(ctx: DurableObjectState, env: Env) {
      super(ctx, env)
      this.#parts = assemble(env)
      this.#storage = new KeyStorage(ctx.storage.sql)
      this.#grants = new GrantStorage(ctx.storage.sql)
      this.#outbox = new Outbox(ctx.storage, this.#storage, this.#parts)
      this.#standing = new IndexStanding({
        index: this.#parts.index,
        read: () => this.#storage.read(),
        commit: (record) => void ctx.storage.transactionSync(() => this.#commit(record)),
        tell: (record) => this.#outbox.add(indexEntry(record)),
        flush: () => this.#outbox.flush(),
      })
    }

    /** For health alone: says that objects answer, and nothing about any key. */
    ping(): boolean {
      return true
    }

    override async alarm(): Promise<void> {
      await this.#outbox.flushAll()
    }

    async create(call: KeyCall, key: NewKey) {
      const { isLockoutChecked, createdBy, rotationPeriodDays, ...rest } = key
      const { keyAccount: account, region } = call
      const made = { ...rest, account, region, origin: 'AWS_KMS' } as const
      const denial = creationDenial(call, made) ?? (isLockoutChecked ? lockoutRefusal(call, made) : null)
      if (denial !== null) return denial
      const before = this.#storage.read()
      if (before !== null) return this.#created(createdBy, before)
      const version = await this.#newVersion({ ...key, account, region })
      if (isRefusal(version)) return version
      const record: KeyRecord = {
        ...made,
        revision: 1,
        state: 'Enabled',
        createdAt: call.time,
        deletion: null,
        rotation:
          rotationPeriodDays === null
            ? null
            : { periodDays: rotationPeriodDays, nextAt: call.time + rotationPeriodDays * dayMs },
        onDemandRotations: 0,
        materialExpiresAt: null,
        currentMaterialId: version.keyMaterialId,
      }
      const snapshot = this.ctx.storage.transactionSync(() => {
        const earlier = this.#storage.read()
        if (earlier !== null) return this.#created(createdBy, earlier)
        this.#storage.create(record, version, createdBy)
        this.#recordCall(call, record, 'identity policy')
        this.#outbox.add(indexEntry(record))
        return this.#snapshotOf(this.#storage.read() as KeyRecord)
      })
      if (isRefusal(snapshot)) return snapshot
      this.#standing.isCurrent()
      await this.#outbox.flushWithin(flushWaitMs)
      return { ...snapshot, untold: this.#storage.untold() }
    }

    async snapshot(call: Call) {
      const record = await this.#serve(call, 'internal:Snapshot')
      return isRefusal(record) ? record : this.#snapshotOf(record)
    }

    async version(call: Call, versionId: string) {
      const record = await this.#serve(call, 'internal:Version')
      return isRefusal(record) ? record : this.#storage.version(versionId)
    }

    async grantsNaming(call: Call, granteeIds: readonly string[], limit: number) {
      const record = await this.#serve(call, 'internal:GrantsNaming')
      if (isRefusal(record)) return record
      const grants = this.#grants.naming(granteeIds, limit + 1)
      return { revision: record.revision, grants: grants.slice(0, limit), isWhole: grants.length <= limit }
    }

    async grantsAllowing(call: Call, asker: KeyCall, action: string) {
      const record = await this.#serve(call, 'internal:GrantsAllowing')
      if (isRefusal(record)) return record
      const request = keyRequest(asker, asker, action, record)
      const granted = this.#grants.allowing(grantIdsOf(asker.principal), operationOf(action))
      // One of each is as good as all: what matters is to whom it was given, and by which account.
      const distinct = new Map<string, Grant>()
      for (const grant of granted) {
        if (grantAllows(grant, request)) distinct.set(`${grant.granteeId} ${grant.issuingAccount}`, grant)
      }
      return [...distinct.values()]
    }

    async describe(call: KeyCall, operation: ReadOperation) {
      return this.#read(call, `kms:${operation}`)
    }

    async rotations(call: KeyCall, page: RotationPage) {
      const record = await this.#read(call, 'kms:ListKeyRotations')
      return isRefusal(record) ? record : this.#storage.rotations(page, record.currentMaterialId)
    }

    async listGrants(call: KeyCall, page: GrantPage) {
      const record = await this.#read(call, 'kms:ListGrants')
      return isRefusal(record) ? record : this.#grants.page(page)
    }

    updateDescription(call: KeyCall, description: string) {
      return this.#change(call, 'UpdateKeyDescription', (record) => ({ ...record, description }))
    }

    async enable(call: KeyCall) {
      const enabled = await this.#change(call, 'EnableKey', (record) => ({ ...record, state: 'Enabled' }))
      if (isRefusal(enabled)) return enabled
      // A rotation that fell due while the key was disabled is made at once; if it cannot be, the sweep has it.
      const rotated = await this.#rotateIfDue(call)
      return rotated === null || isRefusal(rotated) ? enabled : rotated
    }

    disable(call: KeyCall) {
      return this.#change(call, 'DisableKey', (record) => ({ ...record, state: 'Disabled' }))
    }

    putPolicy(call: KeyCall, { isLockoutChecked, ...policy }: NewPolicy) {
      return this.#change(call, 'PutKeyPolicy', (record) => {
        const changed = { ...record, ...policy }
        return (isLockoutChecked ? lockoutRefusal(call, changed) : null) ?? changed
      })
    }

    tag(call: KeyCall, tags: readonly Tag[]) {
      return this.#change(call, 'TagResource', (record) => {
        const values = new Map(record.tags.map(({ tagKey, tagValue }) => [tagKey, tagValue]))
        for (const { tagKey, tagValue } of tags) values.set(tagKey, tagValue)
        if (values.size > limits.tagsPerKeyMax) return refuse('TagException', 'Too many tags')
        return { ...record, tags: [...values].map(([tagKey, tagValue]) => ({ tagKey, tagValue })) }
      })
    }

    untag(call: KeyCall, tagKeys: readonly string[]) {
      return this.#change(call, 'UntagResource', (record) => ({
        ...record,
        tags: record.tags.filter(({ tagKey }) => !tagKeys.includes(tagKey)),
      }))
    }

    enableRotation(call: KeyCall, periodDays: number) {
      return this.#change(call, 'EnableKeyRotation', (record) => ({
        ...record,
        rotation: { periodDays, nextAt: call.time + periodDays * dayMs },
      }))
    }

    disableRotation(call: KeyCall) {
      return this.#change(call, 'DisableKeyRotation', (record) => ({ ...record, rotation: null }))
    }

    async rotateOnDemand(call: KeyCall) {
      const record = await this.#read(call, 'kms:RotateKeyOnDemand')
      if (isRefusal(record)) return record
      const refusal = stateRefusal(record, 'RotateKeyOnDemand') ?? onDemandLimit(record)
      if (refusal !== null) return refusal
      const version = await this.#newVersion(record)
      if (isRefusal(version)) return version
      return this.#change(call, 'RotateKeyOnDemand', (current) => {
        const limited = onDemandLimit(current)
        if (limited !== null) return limited
        return this.#rotated(
          { ...current, onDemandRotations: current.onDemandRotations + 1 },
          version,
          call,
          'ON_DEMAND',
        )
      })
    }

    scheduleDeletion(call: KeyCall, windowDays: number) {
      return this.#change(call, 'ScheduleKeyDeletion', (record) => ({
        ...record,
        state: 'PendingDeletion',
        deletion: { at: call.time + windowDays * dayMs, windowDays },
      }))
    }

    cancelDeletion(call: KeyCall) {
      return this.#change(call, 'CancelKeyDeletion', (record) => ({ ...record, state: 'Disabled', deletion: null }))
    }

    async createGrant(call: KeyCall, grant: NewGrant, isDryRun: boolean): ReturnType<Key['createGrant']> {
      let grantId = grant.grantId
      const snapshot = await this.#change(call, 'CreateGrant', (record) => {
        const refusal = grantRefusal(record, grant)
        if (refusal !== null) return refusal
        const same = this.#grants
          .named(grant.name ?? '')
          .find((earlier) => isSameGrant(earlier, grant, call.principal.account))
        if (same !== undefined) {
          grantId = same.grantId
          return isDryRun ? dryRunSucceeded() : null
        }
        if (this.#grants.count() >= limits.grantsPerKeyMax) {
          const { region, account, keyId } = record
          const arn = keyArn(region, account, keyId)
          return refuse(
            'LimitExceededException',
            `${arn} has ${limits.grantsPerKeyMax} grants, which is as many as a key may have.`,
          )
        }
        if (isDryRun) return dryRunSucceeded()
        const made: Grant = { ...grant, issuingAccount: call.principal.account, createdAt: call.time }
        this.#grants.add(made)
        this.#tellOfGrant(record, made, false)
        return record
      })
      return isRefusal(snapshot) ? snapshot : { grantId, snapshot }
    }

    retireGrant(call: KeyCall, grantId: string, isDryRun: boolean) {
      const decide = (request: AccessRequest, record: KeyRecord) => {
        const grant = this.#grants.find(grantId)
        return grant === null ? null : authorizeRetire(request, grant, policyOf(record))
      }
      return this.#change(call, 'RetireGrant', (record) => this.#withoutGrant(record, grantId, isDryRun), decide)
    }

    revokeGrant(call: KeyCall, grantId: string, isDryRun: boolean) {
      return this.#change(call, 'RevokeGrant', (record) => this.#withoutGrant(record, grantId, isDryRun))
    }

    #withoutGrant(record: KeyRecord, grantId: string, isDryRun: boolean) {
      const grant = this.#grants.find(grantId)
      if (grant === null) return grantNotFound(grantId)
      if (isDryRun) return dryRunSucceeded()
      this.#grants.remove(grantId)
      this.#tellOfGrant(record, grant, true)
      return record
    }

    #tellOfGrant(record: KeyRecord, grant: Grant, isGone: boolean): void {
      const entry = retirableGrantEntry(record, grant, isGone)
      if (entry !== null) this.#outbox.add(entry)
    }

    async acceptAlias(call: KeyCall, operation: 'CreateAlias' | 'UpdateAlias') {
      const record = await this.#read(call, `kms:${operation}`)
      if (isRefusal(record)) return record
      const refusal = stateRefusal(record, operation)
      if (refusal !== null) return refusal
      return (await this.#outbox.flush()) ? record : timedOut('the key is not in the index yet')
    }

    async settle(call: Call) {
      const record = await this.#serve(call, 'internal:Settle')
      if (isRefusal(record)) {
        if (record.refused !== 'NotFoundException') return record
        // Deleted, and not all may have been told.
        await this.#outbox.flushAll()
        return 'nothing'
      }
      if ((await this.#standing.check()) === 'unknown') return timedOut('a sweep waits for the index')
      const due = nextDue(record)
      if (due === null || due.at > call.time) {
        // The index said otherwise, so it has an old row.
        this.#outbox.add(indexEntry(record))
        await this.#outbox.flush()
        return 'nothing'
      }
      if (due.work === 'delete') return this.#delete(call)
      if (due.work === 'expire') return this.#expire(call)
      const rotated = await this.#rotateIfDue(call)
      if (isRefusal(rotated)) return rotated
      return rotated === null ? 'nothing' : 'rotated'
    }

    async rootVersions(call: Call) {
      const record = await this.#serve(call, 'internal:RootVersions')
      if (isRefusal(record)) return record
      return { name: `${record.region}/${record.keyId}`, rootVersions: this.#storage.rootVersions() }
    }

    async rewrap(call: Call) {
      const record = await this.#serve(call, 'internal:Rewrap')
      if (isRefusal(record)) return record
      if ((await this.#standing.check()) === 'unknown') return timedOut('a re-wrapping waits for the index')
      const roots = await this.#sealingRoots()
      if (isRefusal(roots)) return roots
      const resealed = await Promise.all(
        this.#storage.versionsNotUnder(roots.current, rewrapMax).map(async (before) => {
          const identity = { ...record, keyMaterialId: before.keyMaterialId }
          return { before, after: await rewrapMaterial(roots, identity, before).catch(() => null) }
        }),
      )
      const rewrapping = this.ctx.storage.transactionSync(() => {
        const stored = this.#storage.read()
        // Deleted since: there is nothing left to seal.
        if (stored === null) return { rewrapped: 0, left: 0 }
        const done = resealed.filter(({ before, after }) => after !== null && this.#storage.reseal(before, after))
        if (done.length > 0) this.#commit(stored)
        return { rewrapped: done.length, left: this.#storage.countNotUnder(roots.current) }
      })
      await this.#outbox.flushWithin(flushWaitMs)
      const failed = resealed.find(({ after }) => after === null)
      if (failed === undefined) return rewrapping
      const { keyMaterialId, rootVersion } = failed.before
      const reason = `material ${keyMaterialId} does not open under root key version ${rootVersion}`
      return refuse('KMSInternalException', null, reason)
    }

    async republish(call: Call, after: string) {
      const record = await this.#serve(call, 'internal:Republish')
      if (isRefusal(record)) return record
      const grants = this.ctx.storage.transactionSync(() => {
        const told = this.#grants.retirable(after, republishMax)
        if (after === '') this.#outbox.add(indexEntry(record))
        for (const grant of told) this.#tellOfGrant(record, grant, false)
        return told
      })
      if (!(await this.#outbox.flush())) return timedOut('the index does not answer')
      return grants.length < republishMax ? null : (grants.at(-1)?.grantId ?? null)
    }

    /** Decides again on what is stored now, in the block that erases. */
    async #delete(call: Call) {
      const isErased = this.ctx.storage.transactionSync(() => {
        const record = this.#storage.read()
        const due = record === null ? null : nextDue(record)
        if (record === null || due?.work !== 'delete' || due.at > call.time) return false
        this.#storage.erase()
        this.#recordService('DeleteKey', record, call)
        const erased = { ...record, revision: record.revision + 1, deletion: null, rotation: null }
        this.#outbox.add(indexEntry(erased, { deletedAt: call.time }))
        return true
      })
      if (isErased) await this.#outbox.flushAll()
      return isErased ? 'deleted' : 'nothing'
    }

    /** Imported material that has come to its date: erased, and the key waits for another import. */
    async #expire(call: Call) {
      const isExpired = this.ctx.storage.transactionSync(() => {
        const record = this.#storage.read()
        const due = record === null ? null : nextDue(record)
        if (record === null || due?.work !== 'expire' || due.at > call.time) return false
        this.#storage.eraseMaterial()
        const state = stateWithoutMaterial(record.state)
        this.#write({ ...record, state, materialExpiresAt: null })
        this.#recordService('DeleteExpiredKeyMaterial', record, call, { keyMaterialId: record.currentMaterialId })
        return true
      })
      if (isExpired) await this.#outbox.flush()
      return isExpired ? 'expired' : 'nothing'
    }

    async #rotateIfDue(call: Call): Promise<KeySnapshot | Refusal<'DependencyTimeoutException'> | null> {
      const isDue = (record: KeyRecord | null) => {
        const due = record === null ? null : nextDue(record)
        return due?.work === 'rotate' && due.at <= call.time
      }
      const before = this.#storage.read()
      if (before === null || !isDue(before)) return null
      const version = await this.#newVersion(before)
      if (isRefusal(version)) return version
      const snapshot = this.ctx.storage.transactionSync(() => {
        const record = this.#storage.read()
        if (record === null || record.rotation === null || !isDue(record)) return null
        const rotation = { ...record.rotation, nextAt: rotationAfter(record.rotation, call.time) }
        return this.#commit(this.#rotated({ ...record, rotation }, version, call, 'AUTOMATIC'))
      })
      await this.#outbox.flushWithin(flushWaitMs)
      return snapshot
    }

    #rotated(record: KeyRecord, version: SealedVersion, call: Call, type: RotationType): KeyRecord {
      this.#storage.addRotation(version, call.time, type)
      this.#recordService('RotateKey', record, call, {
        rotationType: type,
        previousKeyMaterialId: record.currentMaterialId,
        currentKeyMaterialId: version.keyMaterialId,
      })
      return { ...record, currentMaterialId: version.keyMaterialId }
    }

    /**
     * The one way to change a key: admitted, allowed by its state, decided and written in one transaction with the
     * index entry, then told to the index. `decide` may be called on nothing older than what it changes; it answers
     * null where there is nothing to change.
     */
    async #change<const Operation extends StatefulOperation, Name extends ExceptionName = never>(
      call: KeyCall,
      operation: Operation,
      decide: (record: KeyRecord) => KeyRecord | Refusal<Name> | null,
      authorized?: (request: AccessRequest, record: KeyRecord) => Verdict | null,
    ) {
      const standing = await this.#standing.check()
      if (standing === 'unknown') return timedOut('changes wait until the revision can be compared with the index')
      const snapshot = this.ctx.storage.transactionSync(() => {
        const admitted = this.#admit(call, `kms:${operation}`, standing, authorized)
        if (isRefusal(admitted)) return admitted
        const { record, decidedBy } = admitted
        const refusal = stateRefusal(record, operation)
        if (refusal !== null) return refusal
        const decided = decide(record)
        if (decided !== null && 'refused' in decided) return decided
        this.#recordCall(call, record, decidedBy)
        return decided === null ? this.#snapshotOf(record) : this.#commit(decided)
      })
      if (isRefusal(snapshot)) return snapshot
      await this.#outbox.flushWithin(flushWaitMs)
      return { ...snapshot, untold: this.#storage.untold() }
    }

    #commit(changed: KeyRecord): KeySnapshot {
      return this.#snapshotOf(this.#write(changed))
    }

    #write(changed: KeyRecord): KeyRecord {
      this.#storage.write({ ...changed, revision: changed.revision + 1 })
      const record = this.#storage.read() as KeyRecord
      this.#outbox.add(indexEntry(record))
      return record
    }

    /** Into the transaction of what this deployment does by itself. */
    #recordService(...what: Parameters<typeof serviceEntries>): void {
      for (const entry of serviceEntries(...what)) this.#outbox.add(entry)
    }

    /** Into the transaction of the change: what was done is on record, or it was not done. */
    #recordCall(call: KeyCall, { account, region, keyId }: KeyRecord, decidedBy: string): void {
      if (call.event === null) return
      const ARN = keyArn(region, account, keyId)
      const events = eventsOf(call.event, {
        resources: [{ accountId: account, type: 'AWS::KMS::Key', ARN }],
        responseElements: { keyId: ARN },
        additionalEventData: { decidedBy },
      })
      for (const event of events) this.#outbox.add({ kind: 'event', body: event })
    }

    async #read(call: KeyCall, action: string) {
      const standing = await this.#standing.check()
      const admitted = this.#admit(call, action, standing)
      return isRefusal(admitted) ? admitted : admitted.record
    }

    /** For what this deployment does by itself: no door makes such a call. */
    async #serve(call: Call, action: string) {
      const standing = await this.#standing.check()
      if (call.principal.kind !== 'service') {
        return refuse('AccessDeniedException', null, `${action} is for services alone`)
      }
      const record = this.#storage.read()
      const isMeant = call.region === anyRegion || record?.region === call.region
      if (record !== null && isMeant) return this.#standingOf(record, standing)
      return this.#notFound(call, call.principal.account, action)
    }

    /**
     * Every other method passes here, in the block of what it does: current documents, the current policy, grants and
     * tags, and what is stored now, as an instance in memory may be an old one.
     */
    #admit(
      call: KeyCall,
      action: string,
      standing: Standing,
      authorized = (request: AccessRequest, { policy, policyPrincipalIds }: KeyRecord): Verdict | null =>
        keyVerdict(request, policyOf({ policy, policyPrincipalIds }), (ids) =>
          this.#grants.allowing(ids, operationOf(action)),
        ),
    ) {
      const record = this.#storage.read()
      if (record === null || record.region !== call.region || record.account !== call.keyAccount) {
        return this.#notFound(call, call.keyAccount, action)
      }
      const request = keyRequest(call, call, action, record)
      const verdict = authorized(request, record)
      const denial = verdict === null ? null : denialOf(request, verdict)
      if (denial !== null) return denial
      if (call.grantIds.some((grantId) => this.#grants.find(grantId) === null)) {
        return invalidGrantToken('there is no such grant, or no longer')
      }
      const standingRecord = this.#standingOf(record, standing)
      if (isRefusal(standingRecord)) return standingRecord
      return { record, decidedBy: verdict?.reason ?? 'nothing to decide' }
    }

    #standingOf(record: KeyRecord, standing: Standing) {
      if (standing !== 'rolledBack') return record
      const text = `${keyArn(record.region, record.account, record.keyId)} is unavailable.`
      return refuse('KeyUnavailableException', text, 'rolled-back: the stored revision is behind the index')
    }

    #notFound(call: Call, account: string, action: string) {
      return keyNotFound(call, { region: call.region, account, keyId: this.ctx.id.name?.split('/')[1] ?? '' }, action)
    }

    #created(createdBy: string, record: KeyRecord) {
      if (this.#storage.createdBy() === createdBy) return this.#snapshotOf(record)
      return refuse('KMSInternalException', null, 'this object already holds a key')
    }

    #snapshotOf(record: KeyRecord): KeySnapshot {
      const current = this.#storage.version(versionIdOf(record.currentMaterialId))
      if (current === null) throw new Error('The current key material is not stored')
      return { record, current, untold: this.#storage.untold() }
    }

    async #sealingRoots() {
      try {
        return await this.#parts.sealingRoots()
      } catch (failure) {
        return timedOut(`the root key cannot be proven: ${causeOf(failure)}`)
      }
    }

    async #newVersion(key: Pick<KeyRecord, 'account' | 'region' | 'keyId' | 'spec' | 'usage'>) {
      const roots = await this.#sealingRoots()
      if (isRefusal(roots)) return roots
      return generateSymmetric(roots, key)
    }
  }
}

/** `kms:Decrypt` → `Decrypt`. */
function operationOf(action: string): string {
  return action.slice(action.indexOf(':') + 1)
}

/** Null: a key of this kind may have such a grant. */
function grantRefusal({ spec, usage }: KeyRecord, { operations }: NewGrant) {
  const [unsupported] = ungrantable(spec, usage, operations)
  if (unsupported === undefined) return null
  return refuse(
    'ValidationException',
    `Operation ${unsupported} is not supported in a grant on a key with KeySpec ${spec}.`,
  )
}

function grantNotFound(grantId: string) {
  return refuse('NotFoundException', `Grant ID ${grantId} not found`)
}

function onDemandLimit({ region, account, keyId, onDemandRotations }: KeyRecord) {
  if (onDemandRotations < limits.onDemandRotationsMax) return null
  return refuse(
    'LimitExceededException',
    `The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: ${keyArn(region, account, keyId)}`,
  )
}
