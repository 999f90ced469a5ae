import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import type { Caller, Kms, QueryAnswer } from './conformance.ts'
import type { QueryInput } from './query.ts'

/** An action that has to succeed: what it answers. */
export async function done(answer: Promise<QueryAnswer>): Promise<QueryAnswer['result']> {
  const { refusal, result } = await answer
  expect(refusal).toBe(null)
  return result
}

/** A new user with an access key. */
export interface User extends Caller {
  readonly name: string
  readonly arn: string
}

export function newName(): string {
  return `test-${randomUUID().slice(0, 13)}`
}

/** With these statements for its policy, and no policy without any, in the account of `by`. */
export async function newUser(kms: Kms, statements: readonly object[] = [], by: Caller = kms.caller): Promise<User> {
  const name = newName()
  const { User } = await done(kms.query('iam', 'CreateUser', { UserName: name }, by))
  if (statements.length > 0) await putUserPolicy(kms, name, statements, by)
  return { ...(await newAccessKey(kms, name, by)), name, arn: (User as { Arn: string }).Arn }
}

export async function putUserPolicy(kms: Kms, UserName: string, statements: readonly object[], by = kms.caller) {
  const input = { UserName, PolicyName: 'test', PolicyDocument: policyOf(...statements) }
  await done(kms.query('iam', 'PutUserPolicy', input, by))
}

export async function newAccessKey(kms: Kms, UserName: string, by = kms.caller): Promise<Caller> {
  const { AccessKey } = await done(kms.query('iam', 'CreateAccessKey', { UserName }, by))
  const { AccessKeyId, SecretAccessKey } = AccessKey as Record<'AccessKeyId' | 'SecretAccessKey', string>
  return { account: by.account, accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey }
}

/** A new role that trusts by this statement, with these statements for its policy, in the account of `by`. */
export async function newRole(kms: Kms, trust: object, statements: readonly object[] = [], by = kms.caller) {
  const RoleName = newName()
  const AssumeRolePolicyDocument = policyOf({ Effect: 'Allow', Action: 'sts:AssumeRole', ...trust })
  const { Role } = await done(kms.query('iam', 'CreateRole', { RoleName, AssumeRolePolicyDocument }, by))
  if (statements.length > 0) {
    const policy = { RoleName, PolicyName: 'test', PolicyDocument: policyOf(...statements) }
    await done(kms.query('iam', 'PutRolePolicy', policy, by))
  }
  return { name: RoleName, arn: (Role as { Arn: string }).Arn }
}

/** The session of a role that trusts whoever asks. */
export async function assume(kms: Kms, by: Caller, RoleArn: string, input: QueryInput = {}): Promise<Caller> {
  const { Credentials } = await done(
    kms.query('sts', 'AssumeRole', { RoleArn, RoleSessionName: 'session', ...input }, by),
  )
  const credentials = Credentials as Record<'AccessKeyId' | 'SecretAccessKey' | 'SessionToken', string>
  const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken } = credentials
  return { account: RoleArn.split(':')[4] ?? '', accessKeyId, secretAccessKey, sessionToken }
}

/** A policy of these statements. */
export function policyOf(...Statement: readonly object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement })
}

export function allow(Action: string | readonly string[], rest: object = {}): object {
  return { Effect: 'Allow', Action, Resource: '*', ...rest }
}

export function deny(Action: string | readonly string[], rest: object = {}): object {
  return { Effect: 'Deny', Action, Resource: '*', ...rest }
}
