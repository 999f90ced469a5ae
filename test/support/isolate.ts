import { Trail } from '../../src/audit/trail.ts'
import { expandBatch } from '../../src/audit/unpack.ts'
import { database } from '../../src/catalog/database.ts'
import { recordChanges } from '../../src/catalog/events.ts'
import { RootKeys } from '../../src/crypto/root-keys.ts'
import { KeyDirectory, type KeyNamespace } from '../../src/key/directory.ts'
import type { Key } from '../../src/key/key.ts'
import type { AuditEvent } from '../../src/model/audit-event.ts'
import type { Call, Principal } from '../../src/model/call.ts'
import { Counters } from '../../src/model/counters.ts'
import { isRefusal } from '../../src/model/errors.ts'
import { isRegion } from '../../src/model/regions.ts'
import { AliasDirectory } from '../../src/operations/alias-directory.ts'
import { invoke } from '../../src/operations/invoke.ts'
import type { Services } from '../../src/operations/operation.ts'
import { account, callBy, env, userPrincipal } from './workerd.ts'

/** One isolate's memory of keys and aliases, behind the doors: the caller is whoever the test says. */
export interface Isolate {
  readonly services: Services
  /** How often an object was called. */
  calls: number
  /** Waited for between the Worker's part of a change and the object's. */
  before: ((method: string) => Promise<unknown>) | null
  /** What the audit queue was told since it was last asked. */
  told(): Promise<readonly AuditEvent[]>
  ask(operation: string, input: unknown, by?: Principal, call?: Partial<Call>): Promise<unknown>
  /** As `ask`, of what has to succeed. */
  must(operation: string, input: unknown, by?: Principal, call?: Partial<Call>): Promise<Record<string, unknown>>
}

export const root = callBy().principal

export async function isolate({ snapshotSeconds = 5 } = {}): Promise<Isolate> {
  const roots = (await RootKeys.parse(env.ROOT_KEYS)) as RootKeys
  const running: Promise<unknown>[] = []
  const sent: string[] = []
  const namespace: KeyNamespace = {
    getByName: (name, options) => watched(env.KEYS.getByName(name, options)),
  }
  const watched = (key: Key) =>
    new Proxy(key, {
      get:
        (_, method: string) =>
        async (...args: unknown[]) => {
          made.calls++
          const { before } = made
          if (before !== null) {
            made.before = null
            await before(method)
          }
          // biome-ignore lint/suspicious/noExplicitAny: any method of the stub.
          return (key as any)[method](...args)
        },
    })
  const services: Services = {
    roots,
    keys: new KeyDirectory(roots, snapshotSeconds),
    aliases: new AliasDirectory(snapshotSeconds, 0),
    callers: { fresh: ({ principal }) => principal },
    database: database(env.DB),
    namespace,
    isRegionServed: isRegion,
    trail: new Trail('packed'),
    sendAudit: async (message) => void sent.push(message),
    counters: new Counters(),
    snapshotAge: () => null,
    recordChanges: (events) => recordChanges(services.database, events),
    waitUntil: (promise) => void running.push(promise),
  }
  const ask: Isolate['ask'] = (operation, input, by = root, call = {}) => {
    const {
      keyAccount: _,
      keyNamed: __,
      parameters: ___,
      aliases: ____,
      grantIds: _____,
      event: ______,
      ...bare
    } = callBy()
    return invoke(operation, input, { ...bare, principal: by, ...call }, services)
  }
  const made: Isolate = {
    services,
    calls: 0,
    before: null,
    async told() {
      await Promise.all(running.splice(0))
      return sent.splice(0).flatMap(expandBatch)
    },
    ask,
    async must(...args) {
      const answer = await ask(...args)
      if (isRefusal(answer)) throw new Error(`${args[0]}: ${answer.refused}: ${answer.message} (${answer.reason})`)
      return (answer ?? {}) as Record<string, unknown>
    },
  }
  return made
}

let made = 0

/** A user that D1 knows, with these policies. `id` makes one that takes a name again. */
export async function storedUser(
  options: { by?: string; name?: string; id?: string } = {},
  ...policies: object[]
): Promise<Principal> {
  const {
    by = account,
    name = `user-${++made}`,
    id = `AIDA${crypto.randomUUID().replaceAll('-', '').slice(0, 17).toUpperCase()}`,
  } = options
  await env.DB.prepare('insert into users (id, account, name, name_key, path, created_at) values (?, ?, ?, ?, ?, 0)')
    .bind(id, by, name, name.toLowerCase(), '/')
    .run()
  return { ...userPrincipal(by, ...policies), id, arn: `arn:aws:iam::${by}:user/${name}` }
}

export async function deleteUser({ id }: Principal): Promise<void> {
  await env.DB.prepare('delete from users where id = ?').bind(id).run()
}

export function allow(action: string | string[], resource: string | string[] = '*', condition?: object) {
  return statement({ Effect: 'Allow', Action: action, Resource: resource, ...(condition && { Condition: condition }) })
}

export function deny(action: string | string[], resource: string | string[] = '*', condition?: object) {
  return statement({ Effect: 'Deny', Action: action, Resource: resource, ...(condition && { Condition: condition }) })
}

export function statement(...statements: object[]) {
  return { Version: '2012-10-17', Statement: statements }
}
