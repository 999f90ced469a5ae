import { contentOf, importTokenExpiry, makeImportToken, readImportToken } from '../crypto/import-token.ts'
import { acceptMaterial } from '../crypto/material.ts'
import type { RootKeys } from '../crypto/root-keys.ts'
import { sealVersion } from '../crypto/version.ts'
import {
  generateWrappingKey,
  isDirect,
  type StoredWrappingKey,
  unwrapMaterial,
  type WrappingKeySpec,
} from '../crypto/wrapping-key.ts'
import { keyArn } from '../model/arn.ts'
import type { Call } from '../model/call.ts'
import { isRefusal, refuse } from '../model/errors.ts'
import type { ImportedVersion } from './import-storage.ts'
import { hasExpired, withMaterials } from './imported-material.ts'
import {
  type Key,
  type KeyCall,
  type KeyRecord,
  multiRegionKeyType,
  type NewMaterial,
  type WantedParameters,
} from './key.ts'
import { type KeyCore, peersWaitMs } from './key-core.ts'
import { stateRefusal } from './lifecycle.ts'
import { notPrimary, sharedChangeRefusal } from './shared-key.ts'

/** How many wrapping keys a key keeps: all stay good for their day, unless more are asked for. */
const wrappingKeysMax = 32

/** Material that is brought from outside: how it comes, and how it goes again. */
export class Imports {
  readonly #core: KeyCore

  constructor(core: KeyCore) {
    this.#core = core
  }

  async parameters(call: KeyCall, wanted: WantedParameters): ReturnType<Key['parametersForImport']> {
    const record = await this.#core.read(call, 'kms:GetParametersForImport')
    if (isRefusal(record)) return record
    const refusal = stateRefusal(record, 'GetParametersForImport') ?? wrappingRefusal(record, wanted)
    if (refusal !== null) return refusal
    const roots = await this.#core.sealingRoots()
    if (isRefusal(roots)) return roots
    const identity = { ...placeOf(record), ...wanted, wrappingKeyId: crypto.randomUUID() }
    const wrappingKey = await generateWrappingKey(roots, identity)
    const { publicKey } = wrappingKey
    const expiresAt = importTokenExpiry(call.time)
    const importToken = await makeImportToken(roots, { ...identity, publicKey }, expiresAt)
    const snapshot = await this.#core.change(call, 'GetParametersForImport', (current) => {
      this.#core.imports.addWrappingKey({ ...wrappingKey, expiresAt }, wrappingKeysMax)
      return withMaterials(this.#core, current)
    })
    return isRefusal(snapshot) ? snapshot : { importToken, publicKey, expiresAt, snapshot }
  }

  /** Everything is decided again in the transaction that stores the material; before it nothing is changed. */
  async import(call: KeyCall, given: NewMaterial): ReturnType<Key['importMaterial']> {
    const record = await this.#core.read(call, 'kms:ImportKeyMaterial')
    if (isRefusal(record)) return record
    const refusal =
      stateRefusal(record, 'ImportKeyMaterial') ?? optionsRefusal(record, given) ?? newInReplicaRefusal(record, given)
    if (refusal !== null) return refusal
    const roots = await this.#core.sealingRoots()
    if (isRefusal(roots)) return roots
    const wrappingKey = await this.#wrappingKey(roots, record, given.importToken, call)
    if (isRefusal(wrappingKey)) return wrappingKey
    const version = await openedVersion(roots, record, wrappingKey, given.encrypted)
    if (isRefusal(version)) return version
    const { keyMaterialId } = version
    const decide = (current: KeyRecord) => {
      if (this.#core.imports.wrappingKey(wrappingKey.wrappingKeyId) === null) return invalidToken('it is gone since')
      const versions = this.#core.imports.versions()
      const misplaced = placeRefusal(current, versions, keyMaterialId, given)
      if (misplaced !== null) return misplaced
      const { description, expiresAt } = given
      const isPending = versions.length > 0
      const put = () => this.#core.imports.put(version, { description, expiresAt, isPending })
      return this.#changed({ ...current, currentMaterialId: current.currentMaterialId ?? keyMaterialId }, call, put)
    }
    const answered = () => ({ keyMaterialId })
    const snapshot = await this.#core.change(call, 'ImportKeyMaterial', decide, { answered })
    if (isRefusal(snapshot)) return snapshot
    await this.#primaryKnows(snapshot.record)
    return { keyMaterialId, snapshot }
  }

  async delete(call: KeyCall, wanted: string | null): ReturnType<Key['deleteMaterial']> {
    let keyMaterialId = wanted
    const decide = (record: KeyRecord) => {
      keyMaterialId ??= record.currentMaterialId
      const version = this.#core.imports.versions().find((each) => each.keyMaterialId === keyMaterialId)
      if (wanted !== null && version === undefined) return noSuchMaterial(record, wanted)
      if (version === undefined) return null
      const isGivenUp = version.isPending && multiRegionKeyType(record) !== 'REPLICA'
      if (!version.isPresent && !isGivenUp) return null
      const refusal = rotatingRefusal(record, version) ?? (isGivenUp ? sharedChangeRefusal(record) : null)
      if (refusal !== null) return refusal
      const { imports } = this.#core
      const erase = () => (isGivenUp ? imports.giveUp(version.keyMaterialId) : imports.erase(version.keyMaterialId))
      return this.#changed(record, call, erase)
    }
    const answered = () => ({ keyMaterialId })
    const snapshot = await this.#core.change(call, 'DeleteImportedKeyMaterial', decide, { answered })
    if (isRefusal(snapshot)) return snapshot
    await this.#primaryKnows(snapshot.record)
    return { keyMaterialId, snapshot }
  }

  /** Belongs into a transaction: the key without what has come to its date, and the ids of the materials among it. */
  expired(record: KeyRecord, call: Call): { readonly record: KeyRecord; readonly keyMaterialIds: readonly string[] } {
    const { imports } = this.#core
    const gone = imports
      .versions()
      .filter((version) => hasExpired(version, call.time) && rotatingRefusal(record, version) === null)
    const changed = this.#changed(record, call, () => {
      for (const { keyMaterialId, isPending } of gone) {
        // Regions that have imported it wait for those where it has expired.
        if (isPending && record.multiRegion === null) imports.giveUp(keyMaterialId)
        else imports.erase(keyMaterialId)
      }
      imports.eraseExpiredWrappingKeys(call.time)
    })
    return { record: changed, keyMaterialIds: gone.map(({ keyMaterialId }) => keyMaterialId) }
  }

  /** The record after a change of what is stored. A replica has its primary ask again what can be rotated to here. */
  #changed(record: KeyRecord, { time }: Call, change: () => void): KeyRecord {
    const pending = () => this.#core.imports.versions().find(({ isPending }) => isPending)
    const before = pending()
    change()
    const after = pending()
    const isOther = before?.isPresent !== after?.isPresent || before?.expiresAt !== after?.expiresAt
    if (isOther) this.#core.askPrimary(record, time)
    return withMaterials(this.#core, record)
  }

  /** Whoever rotates the primary after this has answered finds it waiting for what the replica says. */
  async #primaryKnows(record: KeyRecord): Promise<void> {
    if (multiRegionKeyType(record) === 'REPLICA') await this.#core.outbox.peersWithin(peersWaitMs)
  }

  /** The one that the token was made with, for this key. */
  async #wrappingKey(roots: RootKeys, record: KeyRecord, importToken: Uint8Array, { time }: Call) {
    const token = await readImportToken(roots, record, importToken)
    if (token === null) return invalidToken('it was not made for this key')
    if (token.expiresAt <= time) return expiredToken()
    const wrappingKey = this.#core.imports.wrappingKey(token.wrappingKeyId)
    if (wrappingKey === null) return invalidToken('others have taken the place of its wrapping key')
    if ((await contentOf(wrappingKey)) !== token.content) return invalidToken('it is not of the wrapping key stored')
    return { ...wrappingKey, ...placeOf(record) }
  }
}

/** The material sealed as the key's own. It is here in the open for no longer than that takes. */
async function openedVersion(
  roots: RootKeys,
  record: KeyRecord,
  wrappingKey: StoredWrappingKey,
  encrypted: Uint8Array<ArrayBuffer>,
) {
  const bytes = await unwrapMaterial(roots, wrappingKey, encrypted)
  if (bytes === null) return refuse('InvalidCiphertextException', null, 'it does not open under the wrapping key')
  try {
    const material = await acceptMaterial(record.spec, bytes)
    return material === null
      ? incorrectMaterial(`it is no material of a ${record.spec}`)
      : await sealVersion(roots, record, material)
  } finally {
    bytes.fill(0)
  }
}

const everyWrappingKey: readonly WrappingKeySpec[] = ['RSA_2048', 'RSA_3072', 'RSA_4096']

/** Material that is too long to be encrypted by RSA itself, and under which wrapping keys. */
const tooLong: Readonly<Record<string, readonly WrappingKeySpec[]>> = {
  ECC_NIST_P521: ['RSA_2048'],
  RSA_2048: everyWrappingKey,
  RSA_3072: everyWrappingKey,
  RSA_4096: everyWrappingKey,
}

function wrappingRefusal({ spec }: KeyRecord, wanted: WantedParameters) {
  if (!isDirect(wanted.algorithm) || tooLong[spec]?.includes(wanted.spec) !== true) return null
  const text = `Key material of ${spec} cannot be wrapped with ${wanted.algorithm} under a wrapping key of ${wanted.spec}.`
  return refuse('UnsupportedOperationException', text)
}

/** What only symmetric keys, which may have several materials, can be told. */
function optionsRefusal({ spec }: KeyRecord, { importType, description, keyMaterialId }: NewMaterial) {
  if (spec === 'SYMMETRIC_DEFAULT' || (importType ?? description ?? keyMaterialId) === null) return null
  const text = 'ImportType, KeyMaterialDescription and KeyMaterialId are valid only for symmetric encryption keys.'
  return refuse('ValidationException', text)
}

/** New material is the primary's to import. */
function newInReplicaRefusal(record: KeyRecord, { importType }: NewMaterial) {
  const { region, account, keyId } = record
  if (multiRegionKeyType(record) !== 'REPLICA' || importType !== 'NEW_KEY_MATERIAL') return null
  return notPrimary(keyArn(region, account, keyId))
}

/** Null: no rotation to this material is under way, for which other Regions rely on it. */
function rotatingRefusal({ region, account, keyId, rotating }: KeyRecord, version: ImportedVersion) {
  if (rotating?.keyMaterialId !== version.keyMaterialId) return null
  return refuse('KMSInvalidStateException', `A rotation of ${keyArn(region, account, keyId)} is in progress.`)
}

/** Null: this material may take the place that the request means. */
function placeRefusal(
  record: KeyRecord,
  versions: readonly ImportedVersion[],
  keyMaterialId: string,
  given: NewMaterial,
) {
  const { keyId } = record
  const isKnown = versions.some((version) => version.keyMaterialId === keyMaterialId)
  const importType = given.importType ?? (versions.length === 0 ? 'NEW_KEY_MATERIAL' : 'EXISTING_KEY_MATERIAL')
  if (importType === 'EXISTING_KEY_MATERIAL') {
    if (given.keyMaterialId !== null && given.keyMaterialId !== keyMaterialId) {
      return incorrectMaterial('it is not the material of the id that is named')
    }
    return isKnown ? null : incorrectMaterial('it was never imported into this key')
  }
  const refusal = newInReplicaRefusal(record, given) ?? sharedChangeRefusal(record)
  if (refusal !== null) return refusal
  const waiting = versions.find(({ isPending }) => isPending)
  if (waiting !== undefined && waiting.keyMaterialId !== keyMaterialId) {
    const text = `New key material (id: ${keyMaterialId}) cannot be imported into KMS key ${keyId}, because another key material (id: ${waiting.keyMaterialId}) is pending rotation.`
    return refuse('KMSInvalidStateException', text)
  }
  return isKnown && waiting === undefined ? incorrectMaterial('it is a material of this key already') : null
}

function placeOf({ region, account, keyId }: KeyRecord) {
  return { region, account, keyId }
}

function invalidToken(reason: string) {
  const text =
    'The request was rejected because the provided import token is invalid or is associated with a different KMS key.'
  return refuse('InvalidImportTokenException', text, reason)
}

function expiredToken() {
  const text = 'The request was rejected because the specified import token is expired.'
  return refuse('ExpiredImportTokenException', text)
}

function incorrectMaterial(reason: string) {
  const text =
    'The request was rejected because the key material in the request is expired, invalid, or does not meet expectations.'
  return refuse('IncorrectKeyMaterialException', text, reason)
}

function noSuchMaterial({ region, account, keyId }: KeyRecord, keyMaterialId: string) {
  return refuse('NotFoundException', `${keyArn(region, account, keyId)} has no key material ${keyMaterialId}.`)
}
