import { type Database, isDatabaseFailure } from '../catalog/database.ts'
import {
  loadAccessKey,
  loadRole,
  loadUser,
  noteAccessKeyUse,
  noteRoleUse,
  type RoleRecord,
} from '../catalog/principals.ts'
import type { RootKeys } from '../crypto/root-keys.ts'
import { openAccessKey } from '../crypto/secret.ts'
import { openSession, type Session } from '../crypto/session-token.ts'
import type { Call, Principal } from '../model/call.ts'
import { causeOf, isRefusal, type Refusal, refuse, timedOut } from '../model/errors.ts'
import { FreshCache } from '../model/fresh-cache.ts'
import { after, type NowOrLater } from '../model/now-or-later.ts'
import { type RolePowers, rolePowers, sessionPrincipal, userPrincipal } from './caller.ts'
import { roleOfArn } from './sessions.ts'

export interface Credential {
  readonly secretAccessKey: string
  readonly principal: Principal
}

interface Parts {
  readonly roots: RootKeys
  readonly database: Database
  /** Of the accounts' roots, by access key id: of this deployment's configuration, never in D1. */
  readonly rootCredentials: ReadonlyMap<string, Credential>
  readonly keySnapshotSeconds: number
  readonly staleSeconds: number
}

/** One use of credentials, whose signature held. */
export interface CredentialUse {
  readonly accessKeyId: string
  readonly principal: Principal
  readonly service: string
  readonly region: string
}

/** An opened session, and who it was as of the role that was last seen. */
interface HeldSession {
  readonly accessKeyId: string
  readonly session: Session
  seen: { readonly role: RolePowers; readonly credential: Credential } | null
}

type WaitUntil = (promise: Promise<unknown>) => void

const entriesMax = 10_000
const sessionsMax = 1_000
const notedEveryMs = 60_000
const userKeyForm = /^AKIA[A-Z2-7]{16}$/
const sessionKeyForm = /^ASIA[A-Z2-7]{16}$/

/** Who signs with which secret, as of a few seconds ago. An access key that is absent is asked for again every time. */
export class CredentialDirectory {
  readonly #parts: Parts
  readonly #users: FreshCache<Credential>
  readonly #roles: FreshCache<RolePowers>
  /** By ARN: those that bindings name. */
  readonly #bound: FreshCache<RoleRecord>
  readonly #accounts: ReadonlySet<string>
  /** By the token's text. What a token holds never changes. */
  readonly #sessions = new Map<string, HeldSession>()
  /** When the last use of an access key or a role was noted, by its id. */
  readonly #noted = new Map<string, number>()

  constructor(parts: Parts) {
    this.#parts = parts
    const options = {
      freshMs: parts.keySnapshotSeconds * 1000,
      staleMs: parts.staleSeconds * 1000,
      weightMax: entriesMax,
      isOlder: () => false,
    }
    this.#users = new FreshCache(options)
    this.#roles = new FreshCache(options)
    this.#bound = new FreshCache(options)
    this.#accounts = new Set([...parts.rootCredentials.values()].map(({ principal }) => principal.account))
  }

  /** Awaits nothing for a root, and for a user or session that was seen lately. */
  find(
    accessKeyId: string,
    sessionToken: string | null,
    wallTime: number,
    waitUntil: WaitUntil,
  ): NowOrLater<Credential | Refusal> {
    const root = this.#parts.rootCredentials.get(accessKeyId)
    if (root !== undefined) return sessionToken === null ? root : unrecognized('a session token with a root access key')
    if (sessionToken !== null) return this.#session(accessKeyId, sessionToken, wallTime, waitUntil)
    // What cannot be an access key costs no read.
    if (!userKeyForm.test(accessKeyId)) return unrecognized('no such access key')
    const load = () => this.#loadUser(accessKeyId)
    return answered(this.#users.get(accessKeyId, wallTime, load, waitUntil))
  }

  /**
   * Who made the call, with the documents as they are now and not as they were held here; refused where the access key,
   * the user or the role is gone by now. Throws while D1 does not answer.
   */
  async fresh({ principal, accessKeyId }: Pick<Call, 'principal' | 'accessKeyId'>): Promise<Principal | Refusal> {
    const { database } = this.#parts
    if (principal.kind === 'session' && principal.session !== null) {
      const role = await loadRole(database, { id: principal.session.roleId })
      if (role === null) return unrecognized('the role is gone')
      const { account, arn, session, documents } = principal
      return sessionPrincipal({ account, arn, facts: session, policies: documents?.session ?? [] }, rolePowers(role))
    }
    if (principal.kind !== 'user') return principal
    const key = accessKeyId === null ? null : await loadAccessKey(database, accessKeyId)
    if (accessKeyId !== null && key?.isActive !== true) return unrecognized('the access key is gone or inactive')
    const user = key?.user ?? (await loadUser(database, principal.id))
    return user?.id === principal.id ? userPrincipal(user) : unrecognized('the user is gone')
  }

  /** True for the accounts of this deployment: those that have a root. */
  hasAccount(account: string): boolean {
    return this.#accounts.has(account)
  }

  /** A role by its ARN, path and case included. Null: there is none. */
  boundRole(arn: string, wallTime: number, waitUntil: WaitUntil): NowOrLater<RoleRecord | null | Refusal> {
    const load = async () => (await roleOfArn(this.#parts.database, arn)) ?? refuse('NoSuchEntity', null)
    return after(answered(this.#bound.get(arn, wallTime, load, waitUntil)), (role) =>
      isRefusal(role) && role.refused === 'NoSuchEntity' ? null : role,
    )
  }

  /** Null: there is no such access key of a root or a user. */
  async accountOf(accessKeyId: string): Promise<string | null> {
    const root = this.#parts.rootCredentials.get(accessKeyId)
    if (root !== undefined) return root.principal.account
    return (await loadAccessKey(this.#parts.database, accessKeyId))?.user.account ?? null
  }

  /** Tells D1, at most once a minute for each access key and role. */
  noteUse({ accessKeyId, principal, service, region }: CredentialUse, wallTime: number, waitUntil: WaitUntil): void {
    if (principal.kind === 'root') return
    const roleId = principal.session?.roleId
    const name = roleId ?? accessKeyId
    const noted = this.#noted.get(name)
    if (noted !== undefined && wallTime - noted < notedEveryMs) return
    this.#noted.delete(name)
    bounded(this.#noted, entriesMax).set(name, wallTime)
    const { database } = this.#parts
    const use = { at: wallTime, service, region }
    const noting = roleId === undefined ? noteAccessKeyUse(database, name, use) : noteRoleUse(database, name, use)
    waitUntil(noting.catch((failure) => console.warn(`The use of ${name} is not noted: ${causeOf(failure)}`)))
  }

  /** After a change of IAM made through this isolate. */
  forgetAll(): void {
    this.#users.forgetAll()
    this.#roles.forgetAll()
    this.#bound.forgetAll()
  }

  /** After one that may have been made or not: where D1 does not tell, who was known stays known. */
  doubtAll(): void {
    this.#users.doubtAll()
    this.#roles.doubtAll()
  }

  async #loadUser(accessKeyId: string): Promise<Credential | Refusal> {
    const key = await loadAccessKey(this.#parts.database, accessKeyId)
    if (key === null) return unrecognized('no such access key')
    if (!key.isActive) return unrecognized('the access key is inactive')
    const secretAccessKey = await openAccessKey(this.#parts.roots, key.user.account, key)
    if (secretAccessKey === null) throw new Error(`The secret of access key ${accessKeyId} does not open`)
    return { secretAccessKey, principal: userPrincipal(key.user) }
  }

  #session(
    accessKeyId: string,
    token: string,
    wallTime: number,
    waitUntil: WaitUntil,
  ): NowOrLater<Credential | Refusal> {
    const held = this.#sessions.get(token) ?? this.#open(accessKeyId, token)
    return after(held, (opened) => {
      if (opened === null || opened.accessKeyId !== accessKeyId) {
        return unrecognized("no token of ours, or not this access key's")
      }
      const { session } = opened
      if (wallTime >= session.expiresAt) return expired()
      const { roleId } = session.facts
      const load = async () => {
        const role = await loadRole(this.#parts.database, { id: roleId })
        return role === null ? unrecognized('the role is gone') : rolePowers(role)
      }
      return after(answered(this.#roles.get(roleId, wallTime, load, waitUntil)), (role) => {
        if (isRefusal(role)) return role
        if (opened.seen?.role !== role) {
          const { secretAccessKey } = session
          opened.seen = { role, credential: { secretAccessKey, principal: sessionPrincipal(session, role) } }
        }
        return opened.seen.credential
      })
    })
  }

  async #open(accessKeyId: string, token: string): Promise<HeldSession | null> {
    if (!sessionKeyForm.test(accessKeyId)) return null
    const session = await openSession(this.#parts.roots, accessKeyId, token)
    if (session === null) return null
    const held: HeldSession = { accessKeyId, session, seen: null }
    bounded(this.#sessions, sessionsMax).set(token, held)
    return held
  }
}

/** A failure of D1 that no held value could cover is an answer of its own, and no bug. */
function answered<Value>(finding: NowOrLater<Value | Refusal>): NowOrLater<Value | Refusal> {
  if (!(finding instanceof Promise)) return finding
  return finding.catch((failure: unknown) => {
    if (!isDatabaseFailure(failure)) throw failure
    return timedOut(`the database does not answer: ${causeOf(failure)}`)
  })
}

/** Room for one more: the entry that was made first makes way. */
function bounded<Key, Value>(map: Map<Key, Value>, max: number): Map<Key, Value> {
  if (map.size >= max) map.delete(map.keys().next().value as Key)
  return map
}

function unrecognized(reason: string): Refusal<'UnrecognizedClientException'> {
  return refuse('UnrecognizedClientException', 'The security token included in the request is invalid.', reason)
}

function expired(): Refusal<'ExpiredTokenException'> {
  return refuse('ExpiredTokenException', 'The security token included in the request is expired')
}
