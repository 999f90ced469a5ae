import { denialOf } from '../access/denial-text.ts'
import type { AccessRequest, Verdict } from '../access/request.ts'
import { versionIdOf } from '../crypto/ciphertext.ts'
import type { RootKeys } from '../crypto/root-keys.ts'
import { generateVersion } from '../crypto/version.ts'
import { keyArn } from '../model/arn.ts'
import { eventsOf } from '../model/audit-event.ts'
import { anyRegion, type Call, servicePrincipal } from '../model/call.ts'
import {
  causeOf,
  type ExceptionName,
  invalidGrantToken,
  isRefusal,
  type Refusal,
  refuse,
  timedOut,
} from '../model/errors.ts'
import type { KeyEvent } from '../model/key-event.ts'
import { GrantStorage } from './grant-storage.ts'
import { ImportStorage } from './import-storage.ts'
import { type Key, type KeyCall, type KeyRecord, type KeySnapshot, multiRegionKeyType } from './key.ts'
import { keyNotFound, keyRequest, keyVerdict, policyOf } from './key-access.ts'
import type { KeyIndex } from './key-index.ts'
import { recordAt, type StatefulOperation, stateRefusal } from './lifecycle.ts'
import { type Delivery, indexEntry, Outbox } from './outbox.ts'
import { serviceEntries } from './service-entries.ts'
import { withSharedRevision } from './shared-key.ts'
import { IndexStanding, type Standing } from './standing.ts'
import { KeyStorage } from './storage.ts'

/** What the composition root gives an object. */
export interface KeyObjectParts {
  readonly index: KeyIndex
  /** The root keys, proven to be this deployment's own. Throws while that cannot be proven. */
  sealingRoots(): Promise<RootKeys>
  /** Tells other Workers what befell the key. Throws where the queue does not take it. */
  sendEvents(events: readonly KeyEvent[]): Promise<void>
  /** The object of the same key in another Region: a new stub each time. */
  peer(region: string, keyId: string): Key
}

interface ChangeOptions {
  /** Instead of the key's policy and grants. */
  readonly authorized?: (request: AccessRequest, record: KeyRecord) => Verdict | null
  readonly answered?: () => object
}

export const flushWaitMs = 250
/** What other Regions answer late is still taken; whoever began it waits no longer. */
export const peersWaitMs = 5_000
const multiRegionService = 'multi-region.edge-kms'

/** What every part of a key's object works through: who is admitted, what is written, and who is told. */
export class KeyCore {
  readonly storage: KeyStorage
  readonly grants: GrantStorage
  readonly imports: ImportStorage
  readonly outbox: Outbox
  readonly standing: IndexStanding
  readonly index: KeyIndex
  readonly #parts: KeyObjectParts
  readonly #durable: DurableObjectStorage
  /** The object's name, REGION/KEY_ID; undefined: the object was reached by its id. */
  readonly #name: string | undefined
  /** The latest lifecycle time that a call has brought. */
  #latestTime = 0

  constructor({ storage, id }: DurableObjectState, parts: KeyObjectParts, nextForPeers: () => Delivery | null) {
    this.#parts = parts
    this.index = parts.index
    this.#durable = storage
    this.#name = id.name
    this.storage = new KeyStorage(storage.sql)
    this.grants = new GrantStorage(storage.sql)
    this.imports = new ImportStorage(storage.sql)
    this.outbox = new Outbox(storage, this.storage, { ...parts, nextForPeers })
    this.standing = new IndexStanding({
      index: parts.index,
      read: () => this.storage.read(),
      commit: (record) => void this.transaction(() => this.#commitRestored(record)),
      tell: (record) => this.outbox.add(indexEntry(record)),
      flush: () => this.outbox.flush(),
    })
  }

  transaction<Value>(work: () => Value): Value {
    return this.#durable.transactionSync(work)
  }

  /**
   * The one way to change a key: admitted, allowed by its state, decided and written in one transaction with the
   * index entry, then told to the index. `decide` may be called on nothing older than what it changes; it answers
   * null where there is nothing to change. `answered` is asked after it what the record tells of the answer, besides the
   * key.
   */
  async change<const Operation extends StatefulOperation, Name extends ExceptionName = never>(
    call: KeyCall,
    operation: Operation,
    decide: (record: KeyRecord) => KeyRecord | Refusal<Name> | null,
    { authorized, answered = () => ({}) }: ChangeOptions = {},
  ) {
    const standing = await this.standing.check()
    if (standing === 'unknown') return timedOut('changes wait until the revision can be compared with the index')
    const snapshot = this.transaction(() => {
      const admitted = this.#admit(call, `kms:${operation}`, standing, authorized)
      if (isRefusal(admitted)) return admitted
      const { record, decidedBy } = admitted
      const refusal = stateRefusal(record, operation)
      if (refusal !== null) return refusal
      const decided = decide(record)
      if (decided !== null && 'refused' in decided) return decided
      this.recordCall(call, record, decidedBy, answered())
      return decided === null ? this.snapshotOf(record) : this.commit(decided)
    })
    if (isRefusal(snapshot)) return snapshot
    await this.outbox.flushWithin(flushWaitMs)
    return { ...snapshot, untold: this.storage.untold() }
  }

  commit(changed: KeyRecord): KeySnapshot {
    return this.snapshotOf(this.write(changed))
  }

  write(changed: KeyRecord): KeyRecord {
    this.storage.write({ ...withSharedRevision(this.storage.read(), changed), revision: changed.revision + 1 })
    const record = this.storage.read() as KeyRecord
    this.outbox.add(indexEntry(record))
    return record
  }

  /** Into the transaction of the change: what was done is on record, or it was not done. */
  recordCall(call: KeyCall, { account, region, keyId }: KeyRecord, decidedBy: string, answered: object = {}): void {
    if (call.event === null) return
    const ARN = keyArn(region, account, keyId)
    const events = eventsOf(call.event, {
      resources: [{ accountId: account, type: 'AWS::KMS::Key', ARN }],
      responseElements: { keyId: ARN, ...answered },
      additionalEventData: { decidedBy },
    })
    for (const event of events) this.outbox.add({ kind: 'event', body: event })
  }

  /** Into the transaction of what this deployment does by itself. */
  recordService(...what: Parameters<typeof serviceEntries>): void {
    for (const entry of serviceEntries(...what)) this.outbox.add(entry)
  }

  async read(call: KeyCall, action: string) {
    const standing = await this.standing.check()
    const admitted = this.#admit(call, action, standing)
    return isRefusal(admitted) ? admitted : admitted.record
  }

  /** For what this deployment does by itself: no door makes such a call. */
  async serve(call: Call, action: string) {
    this.#latestTime = Math.max(this.#latestTime, call.time)
    const standing = await this.standing.check()
    if (call.principal.kind !== 'service') {
      return refuse('AccessDeniedException', null, `${action} is for services alone`)
    }
    const record = this.storage.read()
    const isMeant = call.region === anyRegion || record?.region === call.region
    if (record !== null && isMeant) return this.#standingOf(record, standing)
    return this.notFound(call, call.principal.account, action)
  }

  /**
   * Every other method passes here, in the block of what it does: current documents, the current policy, grants and
   * tags, and what is stored now, as an instance in memory may be an old one.
   */
  #admit(
    call: KeyCall,
    action: string,
    standing: Standing,
    authorized = (request: AccessRequest, record: KeyRecord): Verdict | null =>
      keyVerdict(request, policyOf(record), (ids) => this.grants.allowing(ids, operationOf(action))),
  ) {
    this.#latestTime = Math.max(this.#latestTime, call.time)
    const stored = this.storage.read()
    if (stored === null || stored.region !== call.region || stored.account !== call.keyAccount) {
      return this.notFound(call, call.keyAccount, action)
    }
    const record = recordAt(stored, call.time)
    const request = keyRequest(call, call, action, record)
    const verdict = authorized(request, record)
    const denial = verdict === null ? null : denialOf(request, verdict)
    if (denial !== null) return denial
    if (call.grantIds.some((grantId) => this.grants.find(grantId) === null)) {
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

  notFound(call: Call, account: string, action: string) {
    return keyNotFound(call, { region: call.region, account, keyId: this.#name?.split('/')[1] ?? '' }, action)
  }

  snapshotOf(record: KeyRecord): KeySnapshot {
    const { currentMaterialId } = record
    const current = currentMaterialId === null ? null : this.storage.version(versionIdOf(currentMaterialId))
    return { record, current, untold: this.storage.untold() }
  }

  /** The object of the same key in another Region, and the call that this deployment makes there. */
  peer({ account, keyId }: Pick<KeyRecord, 'account' | 'keyId'>, region: string): { key: Key; call: Call } {
    const wallTime = Date.now()
    const call: Call = {
      requestId: crypto.randomUUID(),
      principal: servicePrincipal(multiRegionService, account),
      accessKeyId: null,
      region,
      wallTime,
      // An alarm brings no time of its own.
      time: Math.max(wallTime, this.#latestTime),
      sourceIp: null,
      userAgent: null,
      isSecure: true,
      viaService: null,
    }
    return { key: this.#parts.peer(region, keyId), call }
  }

  /** The revision in the index of the key in a Region; 0: there is no row. */
  async indexedRevision(region: string, keyId: string) {
    try {
      return (await this.#parts.index.standing(region, keyId))?.revision ?? 0
    } catch (failure) {
      return timedOut(`the index does not answer: ${causeOf(failure)}`)
    }
  }

  /** What an operator has brought back may lack what other Regions hold by now: they are compared again. */
  #commitRestored(record: KeyRecord): void {
    for (const replica of this.storage.replicas()) {
      this.storage.writeReplica({ ...replica, heldRevision: 0, heldSequence: 0 })
    }
    this.askPrimary(record, Math.max(Date.now(), this.#latestTime))
    this.commit(record)
  }

  /** Into the transaction by which a replica is, or holds, something else than its primary knows. */
  askPrimary(record: KeyRecord, at: number): void {
    const { multiRegion, region, account, keyId } = record
    if (multiRegion === null || multiRegionKeyType(record) !== 'REPLICA') return
    const { primaryRegion } = multiRegion
    this.outbox.add({ kind: 'lookAgain', body: { account, region, keyId, primaryRegion, at } })
  }

  async sealingRoots() {
    try {
      return await this.#parts.sealingRoots()
    } catch (failure) {
      return timedOut(`the root key cannot be proven: ${causeOf(failure)}`)
    }
  }

  async newVersion(key: Pick<KeyRecord, 'account' | 'region' | 'keyId' | 'spec' | 'usage'>) {
    const roots = await this.sealingRoots()
    if (isRefusal(roots)) return roots
    return generateVersion(roots, key)
  }
}

/** `kms:Decrypt` → `Decrypt`. */
export function operationOf(action: string): string {
  return action.slice(action.indexOf(':') + 1)
}
