import { DurableObject } from 'cloudflare:workers'
import { grantAllows, grantIdsOf } from '../access/grants.ts'
import type { Grant } from '../access/request.ts'
import type { Call } from '../model/call.ts'
import { isRefusal, refuse, timedOut } from '../model/errors.ts'
import { dayMs, limits } from '../model/limits.ts'
import { DueWork } from './due-work.ts'
import { GrantChanges } from './grant-changes.ts'
import { isWhole } from './imported-material.ts'
import { Imports } from './imports.ts'
import type {
  GrantPage,
  Key,
  KeyCall,
  KeyRecord,
  NewGrant,
  NewKey,
  NewMaterial,
  NewPolicy,
  ReadOperation,
  RotationPage,
  Tag,
  WantedParameters,
} from './key.ts'
import { creationDenial, keyRequest, lockoutRefusal } from './key-access.ts'
import { flushWaitMs, KeyCore, type KeyObjectParts, operationOf } from './key-core.ts'
import { stateRefusal } from './lifecycle.ts'
import { indexEntry } from './outbox.ts'
import { PrimaryKey } from './primary-key.ts'
import { ReplicaKey } from './replica-key.ts'
import {
  type NewReplica,
  newMultiRegion,
  type ReplicaStanding,
  type ReplicaWanted,
  type SharedKey,
  sharedChangeRefusal,
} from './shared-key.ts'
import { Upkeep } from './upkeep.ts'

/** The Durable Object class of one key, over the parts that `assemble` makes from the environment. */
export function keyObjectClass<Env>(assemble: (env: Env) => KeyObjectParts) {
  return class KeyObject extends DurableObject<Env> implements Key {
    readonly #core: KeyCore
    readonly #due: DueWork
    readonly #grants: GrantChanges
    readonly #imports: Imports
    readonly #primary: PrimaryKey
    readonly #replica: ReplicaKey
    readonly #upkeep: Upkeep

    constructor(ctx: DurableObjectState, env: Env) {
      super(ctx, env)
      this.#core = new KeyCore(ctx, assemble(env), () => this.#primary.next())
      this.#grants = new GrantChanges(this.#core)
      this.#imports = new Imports(this.#core)
      this.#due = new DueWork(this.#core, this.#imports)
      this.#primary = new PrimaryKey(this.#core)
      this.#replica = new ReplicaKey(this.#core)
      this.#upkeep = new Upkeep(this.#core, this.#grants)
    }

    /** For health alone: says that objects answer, and nothing about any key. */
    ping(): boolean {
      return true
    }

    override async alarm(): Promise<void> {
      await this.#core.outbox.flushAll()
    }

    async create(call: KeyCall, key: NewKey) {
      const { isLockoutChecked, isMultiRegion, createdBy, rotationPeriodDays, ...rest } = key
      const { keyAccount: account, region } = call
      const multiRegion = isMultiRegion ? newMultiRegion(region) : null
      const made = { ...rest, account, region, multiRegion }
      const denial = creationDenial(call, made) ?? (isLockoutChecked ? lockoutRefusal(call, made) : null)
      if (denial !== null) return denial
      const before = this.#core.storage.read()
      if (before !== null) return this.#created(createdBy, before)
      const version = key.origin === 'EXTERNAL' ? null : await this.#core.newVersion({ ...key, account, region })
      if (isRefusal(version)) return version
      const record: KeyRecord = {
        ...made,
        revision: 1,
        state: version === null ? 'PendingImport' : 'Enabled',
        createdAt: call.time,
        deletion: null,
        rotation:
          rotationPeriodDays === null
            ? null
            : { periodDays: rotationPeriodDays, nextAt: call.time + rotationPeriodDays * dayMs },
        onDemandRotations: 0,
        rotating: null,
        materialExpiresAt: null,
        leftoverExpiresAt: null,
        currentMaterialId: version?.keyMaterialId ?? null,
      }
      const snapshot = this.#core.transaction(() => {
        const earlier = this.#core.storage.read()
        if (earlier !== null) return this.#created(createdBy, earlier)
        this.#core.storage.create(record, version, createdBy)
        this.#core.recordCall(call, record, 'identity policy')
        this.#core.outbox.add(indexEntry(record))
        return this.#core.snapshotOf(this.#core.storage.read() as KeyRecord)
      })
      if (isRefusal(snapshot)) return snapshot
      this.#core.standing.isCurrent()
      await this.#core.outbox.flushWithin(flushWaitMs)
      return { ...snapshot, untold: this.#core.storage.untold() }
    }

    async snapshot(call: Call) {
      const record = await this.#core.serve(call, 'internal:Snapshot')
      return isRefusal(record) ? record : this.#core.snapshotOf(record)
    }

    async version(call: Call, versionId: string) {
      const record = await this.#core.serve(call, 'internal:Version')
      return isRefusal(record) ? record : this.#core.storage.version(versionId)
    }

    async grantsNaming(call: Call, granteeIds: readonly string[], limit: number) {
      const record = await this.#core.serve(call, 'internal:GrantsNaming')
      if (isRefusal(record)) return record
      const grants = this.#core.grants.naming(granteeIds, limit + 1)
      return { revision: record.revision, grants: grants.slice(0, limit), isWhole: grants.length <= limit }
    }

    async grantsAllowing(call: Call, asker: KeyCall, action: string) {
      const record = await this.#core.serve(call, 'internal:GrantsAllowing')
      if (isRefusal(record)) return record
      const request = keyRequest(asker, asker, action, record)
      const granted = this.#core.grants.allowing(grantIdsOf(asker.principal), operationOf(action))
      // One of each is as good as all: what matters is to whom it was given, and by which account.
      const distinct = new Map<string, Grant>()
      for (const grant of granted) {
        if (grantAllows(grant, request)) distinct.set(`${grant.granteeId} ${grant.issuingAccount}`, grant)
      }
      return [...distinct.values()]
    }

    async describe(call: KeyCall, operation: ReadOperation) {
      return this.#core.read(call, `kms:${operation}`)
    }

    async rotations(call: KeyCall, page: RotationPage) {
      const record = await this.#core.read(call, 'kms:ListKeyRotations')
      return isRefusal(record) ? record : this.#core.storage.rotations(page, record)
    }

    async listGrants(call: KeyCall, page: GrantPage) {
      const record = await this.#core.read(call, 'kms:ListGrants')
      return isRefusal(record) ? record : this.#core.grants.page(page)
    }

    updateDescription(call: KeyCall, description: string) {
      return this.#core.change(call, 'UpdateKeyDescription', (record) => ({ ...record, description }))
    }

    async enable(call: KeyCall) {
      const enabled = await this.#core.change(call, 'EnableKey', (record) => ({ ...record, state: 'Enabled' }))
      if (isRefusal(enabled)) return enabled
      // A rotation that fell due while the key was disabled is made at once; if it cannot be, the sweep has it.
      const rotated = await this.#due.rotateIfDue(call)
      return rotated === null || isRefusal(rotated) ? enabled : rotated
    }

    disable(call: KeyCall) {
      return this.#core.change(call, 'DisableKey', (record) => ({ ...record, state: 'Disabled' }))
    }

    putPolicy(call: KeyCall, { isLockoutChecked, ...policy }: NewPolicy) {
      return this.#core.change(call, 'PutKeyPolicy', (record) => {
        const changed = { ...record, ...policy }
        return (isLockoutChecked ? lockoutRefusal(call, changed) : null) ?? changed
      })
    }

    tag(call: KeyCall, tags: readonly Tag[]) {
      return this.#core.change(call, 'TagResource', (record) => {
        const values = new Map(record.tags.map(({ tagKey, tagValue }) => [tagKey, tagValue]))
        for (const { tagKey, tagValue } of tags) values.set(tagKey, tagValue)
        if (values.size > limits.tagsPerKeyMax) return refuse('TagException', 'Too many tags')
        return { ...record, tags: [...values].map(([tagKey, tagValue]) => ({ tagKey, tagValue })) }
      })
    }

    untag(call: KeyCall, tagKeys: readonly string[]) {
      return this.#core.change(call, 'UntagResource', (record) => ({
        ...record,
        tags: record.tags.filter(({ tagKey }) => !tagKeys.includes(tagKey)),
      }))
    }

    enableRotation(call: KeyCall, periodDays: number) {
      const rotation = { periodDays, nextAt: call.time + periodDays * dayMs }
      return this.#core.change(
        call,
        'EnableKeyRotation',
        (record) => sharedChangeRefusal(record) ?? { ...record, rotation },
      )
    }

    disableRotation(call: KeyCall) {
      return this.#core.change(
        call,
        'DisableKeyRotation',
        (record) => sharedChangeRefusal(record) ?? { ...record, rotation: null },
      )
    }

    rotateOnDemand(call: KeyCall) {
      return this.#due.rotateOnDemand(call)
    }

    parametersForImport(call: KeyCall, wanted: WantedParameters) {
      return this.#imports.parameters(call, wanted)
    }

    importMaterial(call: KeyCall, material: NewMaterial) {
      return this.#imports.import(call, material)
    }

    deleteMaterial(call: KeyCall, keyMaterialId: string | null) {
      return this.#imports.delete(call, keyMaterialId)
    }

    scheduleDeletion(call: KeyCall, windowDays: number) {
      return this.#core.change(call, 'ScheduleKeyDeletion', (record) =>
        this.#core.storage.replicas().length > 0
          ? { ...record, state: 'PendingReplicaDeletion', deletion: { at: null, windowDays } }
          : {
              ...record,
              state: 'PendingDeletion',
              deletion: { at: call.time + windowDays * dayMs, windowDays },
            },
      )
    }

    cancelDeletion(call: KeyCall) {
      return this.#core.change(call, 'CancelKeyDeletion', (record) => ({
        ...record,
        state: isWhole(this.#core.imports) ? 'Disabled' : 'PendingImport',
        deletion: null,
      }))
    }

    createGrant(call: KeyCall, grant: NewGrant, isDryRun: boolean) {
      return this.#grants.create(call, grant, isDryRun)
    }

    retireGrant(call: KeyCall, grantId: string, isDryRun: boolean) {
      return this.#grants.retire(call, grantId, isDryRun)
    }

    revokeGrant(call: KeyCall, grantId: string, isDryRun: boolean) {
      return this.#grants.revoke(call, grantId, isDryRun)
    }

    async acceptAlias(call: KeyCall, operation: 'CreateAlias' | 'UpdateAlias') {
      const record = await this.#core.read(call, `kms:${operation}`)
      if (isRefusal(record)) return record
      const refusal = stateRefusal(record, operation)
      if (refusal !== null) return refusal
      return (await this.#core.outbox.flush()) ? record : timedOut('the key is not in the index yet')
    }

    replicate(call: KeyCall, replica: ReplicaWanted) {
      return this.#primary.replicate(call, replica)
    }

    updatePrimaryRegion(call: KeyCall, onReplica: KeyCall) {
      return this.#primary.updatePrimaryRegion(call, onReplica)
    }

    acceptPrimary(call: KeyCall) {
      return this.#replica.acceptPrimary(call)
    }

    synchronise(call: Call, shared: SharedKey, making: NewReplica | null) {
      return this.#replica.synchronise(call, shared, making)
    }

    takeOver(call: Call, shared: SharedKey, replicas: readonly ReplicaStanding[]) {
      return this.#replica.takeOver(call, shared, replicas)
    }

    lookAgain(call: Call, region: string) {
      return this.#primary.lookAgain(call, region)
    }

    settle(call: Call) {
      return this.#due.settle(call)
    }

    rootVersions(call: Call) {
      return this.#upkeep.rootVersions(call)
    }

    rewrap(call: Call) {
      return this.#upkeep.rewrap(call)
    }

    republish(call: Call, after: string) {
      return this.#upkeep.republish(call, after)
    }

    #created(createdBy: string, record: KeyRecord) {
      if (this.#core.storage.createdBy() === createdBy) return this.#core.snapshotOf(record)
      return refuse('KMSInternalException', null, 'this object already holds a key')
    }
  }
}
