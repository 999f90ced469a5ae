import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { AwsClient } from 'aws4fetch'
import { expect } from 'vitest'
import type { Env } from '../../src/deployment.ts'
import worker, { testClock } from './test-worker.ts'
import { account, env, region } from './workerd.ts'

/** With what a request is signed. */
export interface Keys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export const root: Keys = { accessKeyId: 'ROOTONE', secretAccessKey: 'secret-one' }
export const otherRoot: Keys = { accessKeyId: 'ROOTTWO', secretAccessKey: 'secret-two' }
export const otherAccount = '444455556666'

/** What a form says of it: text, a list, or a structure. */
export type FormInput = string | number | readonly FormInput[] | { readonly [name: string]: FormInput }

export interface Asking {
  readonly by?: Keys | null
  readonly env?: Env
  readonly region?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface XmlAnswer {
  readonly status: number
  readonly text: string
  /** The text of the first element of that name; null: there is none. */
  field(name: string): string | null
  /** `Code: Message` of an error; null: it is none. */
  readonly error: string | null
}

const versions = { iam: '2010-05-08', sts: '2011-06-15' } as const

/** One call of IAM or STS through the Worker's door, and all that it left running. */
export async function query(
  service: 'iam' | 'sts',
  action: string,
  input: { readonly [name: string]: FormInput } = {},
  asking: Asking = {},
): Promise<XmlAnswer> {
  const body = formOf({ Action: action, Version: versions[service], ...input })
  const { by = root } = asking
  const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8', ...asking.headers }
  const unsigned = new Request('https://kms.test/', { method: 'POST', headers, body })
  const request = by === null ? unsigned : await signedBy(by, service, headers, body, asking.region ?? region)
  return send(request, asking.env)
}

/** As `query`, for what has to succeed. */
export async function must(...asked: Parameters<typeof query>): Promise<XmlAnswer> {
  const answer = await query(...asked)
  expect(answer.status, answer.text).toBe(200)
  return answer
}

export async function send(request: Request, overEnv: Env = env): Promise<XmlAnswer> {
  const ctx = createExecutionContext()
  const response = await worker.fetch?.(request as never, overEnv, ctx)
  await waitOnExecutionContext(ctx)
  const text = (await response?.text()) ?? ''
  const field = (name: string) => {
    const [, value = null] = new RegExp(`<${name}>([^<]*)</${name}>`).exec(text) ?? []
    return value === null ? null : unescaped(value)
  }
  const code = field('Code')
  const error = code === null ? null : `${code}: ${field('Message') ?? ''}`
  return { status: response?.status ?? 0, text, field, error }
}

/** A call of KMS by these keys: its status and its answer. */
export async function kms(operation: string, input: unknown, by: Keys, overEnv: Env = env) {
  const headers = { 'x-amz-target': `TrentService.${operation}`, 'content-type': 'application/x-amz-json-1.1' }
  const { status, text } = await send(await signedBy(by, 'kms', headers, JSON.stringify(input), region), overEnv)
  return { status, body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> }
}

export async function signedBy(
  by: Keys,
  service: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  inRegion: string = region,
): Promise<Request> {
  const signing = await new AwsClient({ ...by, service, region: inRegion }).sign('https://kms.test/', {
    method: 'POST',
    headers: { ...headers },
    body,
    aws: { allHeaders: true, datetime: new Date(now()).toISOString().replace(/[-:]|\.\d+/g, '') },
  })
  // On the wire a client adds it; here nothing else would.
  signing.headers.set('host', 'kms.test')
  return signing
}

export function now(): number {
  return Date.now() + testClock.wallMs
}

/** The keys in an answer that has some. */
export function keysIn({ field }: XmlAnswer): Keys {
  const [accessKeyId, secretAccessKey, sessionToken] = ['AccessKeyId', 'SecretAccessKey', 'SessionToken'].map(field)
  return {
    accessKeyId: accessKeyId ?? '',
    secretAccessKey: secretAccessKey ?? '',
    ...(sessionToken == null ? {} : { sessionToken }),
  }
}

export const allow = (Action: string | readonly string[], Resource: string = '*') =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource }] })

/** Who may assume a role. */
export const trust = (Principal: object, Action: string | readonly string[] = 'sts:AssumeRole', Condition?: object) =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal, Action, Condition }] })

/** A user with an access key, who may do what the policy says. */
export async function newUser(policy: string | null = null, by: Keys = root) {
  const UserName = `user-${crypto.randomUUID()}`
  const created = await must('iam', 'CreateUser', { UserName }, { by })
  if (policy !== null) {
    await must('iam', 'PutUserPolicy', { UserName, PolicyName: 'p', PolicyDocument: policy }, { by })
  }
  const keys = keysIn(await must('iam', 'CreateAccessKey', { UserName }, { by }))
  return { name: UserName, id: created.field('UserId') ?? '', arn: created.field('Arn') ?? '', keys }
}

/** A role with that trust policy, which may do what the policy says. */
export async function newRole(trustPolicy: string, policy: string | null = null, by: Keys = root) {
  const RoleName = `role-${crypto.randomUUID()}`
  const created = await must('iam', 'CreateRole', { RoleName, AssumeRolePolicyDocument: trustPolicy }, { by })
  if (policy !== null) {
    await must('iam', 'PutRolePolicy', { RoleName, PolicyName: 'p', PolicyDocument: policy }, { by })
  }
  return { name: RoleName, id: created.field('RoleId') ?? '', arn: created.field('Arn') ?? '' }
}

export const accountRoot = { AWS: `arn:aws:iam::${account}:root` }

function formOf(input: FormInput, at = ''): string {
  if (typeof input !== 'object') return `${at}=${encodeURIComponent(input)}`
  const members = Array.isArray(input)
    ? input.map((member, index) => formOf(member, `${at}.member.${index + 1}`))
    : Object.entries(input).map(([name, member]) => formOf(member as FormInput, at === '' ? name : `${at}.${name}`))
  return members.join('&')
}

function unescaped(text: string): string {
  const characters: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }
  return text.replace(/&(lt|gt|amp|quot|apos);/g, (_, name: string) => characters[name] ?? '')
}
