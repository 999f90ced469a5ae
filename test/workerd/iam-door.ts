import { expect } from 'vitest'
import { recordChanges } from '../../src/catalog/events.ts'
import { loadRole, loadUser } from '../../src/catalog/principals.ts'
import { deploymentOf } from '../../src/deployment.ts'
import { rolePowers, sessionPrincipal, userPrincipal } from '../../src/iam/caller.ts'
import { invokeQuery } from '../../src/iam/invoke.ts'
import type { IamServices } from '../../src/iam/operation.ts'
import type { Call, Principal } from '../../src/model/call.ts'
import { isRefusal } from '../../src/model/errors.ts'
import { rootPrincipal } from '../../src/model/settings.ts'
import { callBy, env } from '../support/workerd.ts'

const deployment = await deploymentOf(env)
if (typeof deployment === 'string') throw new Error(deployment)

export const services: IamServices = {
  ...deployment,
  fetch: () => Promise.reject(new Error('nothing is fetched')),
  sendAudit: async () => {},
  snapshotAge: () => null,
  recordChanges: (events) => recordChanges(deployment.database, events),
  waitUntil: () => {},
}

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests are about
export type Output = any
type Input = Readonly<Record<string, unknown>>

/** IAM as one caller sees it. */
export class Door {
  readonly account: string
  readonly principal: Principal

  constructor(principal: Principal) {
    this.principal = principal
    this.account = principal.account
  }

  async ask(action: string, input: Input = {}, call: Partial<Call> = {}) {
    return invokeQuery('iam', action, input, callBy({ principal: this.principal, ...call }), services)
  }

  async ok(action: string, input: Input = {}, call: Partial<Call> = {}): Promise<Output> {
    const output = await this.ask(action, input, call)
    if (isRefusal(output)) throw new Error(`${action}: ${output.refused}: ${output.message}`)
    return output
  }

  /** The exception and its text. */
  async refused(action: string, input: Input = {}): Promise<string> {
    const output = await this.ask(action, input)
    expect(isRefusal(output), `${action} has to be refused`).toBe(true)
    return isRefusal(output) ? `${output.refused}: ${output.message}` : ''
  }

  /** Every page of a list, `size` items each. */
  async pages(action: string, list: string, input: Input = {}, size = 2): Promise<Output[][]> {
    const pages: Output[][] = []
    let Marker: string | undefined
    do {
      const page: Output = await this.ok(action, { ...input, MaxItems: String(size), ...(Marker ? { Marker } : {}) })
      expect(page.IsTruncated).toBe(page.Marker !== undefined)
      pages.push(page[list])
      Marker = page.Marker
    } while (Marker !== undefined)
    return pages
  }

  arn(resource: string): string {
    return `arn:aws:iam::${this.account}:${resource}`
  }
}

/** The root of an account that nothing is in yet. */
export function newAccount(): Door {
  const [number = 0] = crypto.getRandomValues(new Uint32Array(1))
  return new Door(rootPrincipal(`7${String(number).padStart(11, '0')}`))
}

/** A user that is there, as a door finds it. */
export async function asUser(root: Door, name: string): Promise<Door> {
  const { User } = await root.ok('GetUser', { UserName: name })
  const user = await loadUser(services.database, User.UserId)
  if (user === null) throw new Error(`no user ${name}`)
  return new Door(userPrincipal(user))
}

/** A session of a role that is there. */
export async function asRole(root: Door, name: string): Promise<Door> {
  const role = await loadRole(services.database, { account: root.account, name })
  if (role === null) throw new Error(`no role ${name}`)
  const facts = {
    roleArn: role.arn,
    roleId: role.id,
    sessionName: 'test',
    issuedAt: Date.now(),
    sourceIdentity: null,
    federatedProvider: null,
  }
  const arn = `arn:aws:sts::${root.account}:assumed-role/${name}/test`
  return new Door(sessionPrincipal({ account: root.account, arn, facts, policies: [] }, rolePowers(role)))
}

export function allow(...Action: string[]): string {
  return policy({ Effect: 'Allow', Action, Resource: '*' })
}

export function policy(...Statement: object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement })
}

/** A trust policy that lets these principals in. */
export function trust(...AWS: string[]): string {
  return policy({ Effect: 'Allow', Principal: { AWS }, Action: 'sts:AssumeRole' })
}

/** Rows of a table that hold this anywhere. */
export async function rowsWith(table: string, text: string): Promise<number> {
  const { results } = await env.DB.prepare(`select * from ${table}`).all()
  return results.filter((row) => JSON.stringify(row).includes(text)).length
}
