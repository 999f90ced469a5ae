import { defaultKeyPolicy } from '../src/access/key-policy.ts'
import { type Credentials, call, query } from './drive.ts'

/* A key that is guarded as keys are, made through the doors, and who may encrypt with it. */
const account = '000000000000'
const crowd = 20
const connections = 64

interface GuardedKey {
  /** Its ARN. */
  readonly KeyId: string
  readonly callers: { readonly user: Credentials; readonly grant: Credentials; readonly session: Credentials }
}

/**
 * Of `grants` grants one is of the caller `grant`, who has nothing else; the others are of a crowd. The user is named by
 * the key policy and has an identity policy; the session's role has an identity policy alone.
 */
export async function guardedKey(port: number, grants: number): Promise<GuardedKey> {
  const iam = (Action: string, parameters: Record<string, string>) => query(port, 'iam', Action, parameters)
  const newUser = async (UserName: string) => elementIn(await iam('CreateUser', { UserName }), 'Arn')
  const user = await newUser('user')
  const grantee = await newUser('grantee')
  const Policy = defaultKeyPolicy(account, { administrators: [], users: [user] })
  const { KeyMetadata } = await call<{ KeyMetadata: { Arn: string } }>(port, 'CreateKey', { Policy })
  const KeyId = KeyMetadata.Arn

  const assume = allow({ Principal: { AWS: user }, Action: 'sts:AssumeRole' })
  await iam('CreateRole', { RoleName: 'role', AssumeRolePolicyDocument: assume })
  const PolicyDocument = allow({
    Action: ['kms:Encrypt', 'kms:GenerateDataKey*'],
    Resource: KeyId,
    Condition: { StringLike: { 'kms:EncryptionContext:tenant': 'a-*' } },
  })
  await iam('PutUserPolicy', { UserName: 'user', PolicyName: 'use', PolicyDocument })
  await iam('PutRolePolicy', { RoleName: 'role', PolicyName: 'use', PolicyDocument })
  const ofUser = credentialsIn(await iam('CreateAccessKey', { UserName: 'user' }))
  const ofGrantee = credentialsIn(await iam('CreateAccessKey', { UserName: 'grantee' }))
  const asked = { RoleArn: `arn:aws:iam::${account}:role/role`, RoleSessionName: 'bench' }
  const ofSession = credentialsIn(await query(port, 'sts', 'AssumeRole', asked, ofUser))

  const others = await Promise.all(Array.from({ length: crowd }, (_, at) => newUser(`crowd-${at}`)))
  await makeGrants(port, KeyId, [grantee, ...Array.from({ length: grants - 1 }, (_, at) => others[at % crowd])])
  return { KeyId, callers: { user: ofUser, grant: ofGrantee, session: ofSession } }
}

async function makeGrants(port: number, KeyId: string, grantees: readonly unknown[]): Promise<void> {
  const left = grantees.entries()
  const began = performance.now()
  const worker = async () => {
    for (const [at, GranteePrincipal] of left) {
      await call(port, 'CreateGrant', { KeyId, GranteePrincipal, Operations: ['Encrypt', 'Decrypt'] })
      const made = at + 1
      if (made % 10_000 !== 0 && made !== grantees.length) continue
      console.log(`grants=${made} rate=${(made / ((performance.now() - began) / 1000)).toFixed(0)}/s`)
    }
  }
  await Promise.all(Array.from({ length: connections }, worker))
}

function allow(statement: object): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', ...statement }] })
}

function credentialsIn(xml: string): Credentials {
  const accessKeyId = elementIn(xml, 'AccessKeyId')
  const secretAccessKey = elementIn(xml, 'SecretAccessKey')
  if (!xml.includes('<SessionToken>')) return { accessKeyId, secretAccessKey }
  return { accessKeyId, secretAccessKey, sessionToken: elementIn(xml, 'SessionToken') }
}

function elementIn(xml: string, name: string): string {
  const text = xml.split(`<${name}>`)[1]?.split(`</${name}>`)[0]
  if (text === undefined) throw new Error(`There is no ${name} in ${xml}`)
  return text
}
