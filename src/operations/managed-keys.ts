import { createAlias } from '../catalog/aliases.ts'
import { fixedKeyId } from '../crypto/fixed-key-id.ts'
import { askTwice, keyObject } from '../key/directory.ts'
import { type KeySnapshot, keyCall } from '../key/key.ts'
import { keyArn, rootArn } from '../model/arn.ts'
import { type Call, servicePrincipal } from '../model/call.ts'
import { isRefusal, type Refusal, timedOut } from '../model/errors.ts'
import type { Services } from './operation.ts'

/** A part of ours that encrypts on its users' behalf, under a key that nobody can use in another way. */
interface Integration {
  /** Of AWS's own policy for this service's key. */
  readonly policyId: string
  readonly description: string
  readonly title: string
}

/** By the service's name, as in `alias/aws/NAME` and `NAME.REGION.amazonaws.com`. */
const integrations = new Map<string, Integration>([
  [
    's3',
    {
      policyId: 'auto-s3-2',
      description: 'Default key that protects my S3 objects when no other key is defined',
      title: 'S3',
    },
  ],
])

const aliasPrefix = 'alias/aws/'
const yearDays = 365
/** What makes the keys of this page, and whose own keys no account can name: it is not twelve digits. */
const maker = 'managed-keys.edge-kms'
const ownAccount = 'edge-kms'

/** True for `s3.amazonaws.com` where s3 is one of ours: no other service may be named in a grant. */
export function isIntegration(servicePrincipalName: string): boolean {
  const [, service = ''] = /^([a-z0-9-]+)\.amazonaws\.com$/.exec(servicePrincipalName) ?? []
  return integrations.has(service)
}

/** What an integration's key in the caller's account is called: alias, alias ARN, id and ARN. It need not be there yet. */
export async function managedKeyNames(
  service: string,
  { region, principal: { account } }: Call,
): Promise<readonly string[]> {
  const aliasName = `${aliasPrefix}${service}`
  const keyId = await managedKeyId(account, region, service)
  return [aliasName, `arn:aws:kms:${region}:${account}:${aliasName}`, keyId, keyArn(region, account, keyId)]
}

function managedKeyId(account: string, region: string, service: string): Promise<string> {
  return fixedKeyId(['managed', account, region, service])
}

/** `alias/aws/NAME` comes to be when the integration first uses it, or when somebody asks what it is, as on AWS. */
export function isMadeOnFirstUse(aliasName: string, { viaService, region }: Call, action: string): boolean {
  if (!aliasName.startsWith(aliasPrefix)) return false
  const service = aliasName.slice(aliasPrefix.length)
  if (!integrations.has(service)) return false
  return action === 'kms:DescribeKey' || viaService === `${service}.${region}.amazonaws.com`
}

/** The account's key for an integration: visible, rotated yearly, usable only through it, manageable by nobody. */
export async function managedKey(
  aliasName: string,
  call: Call,
  services: Services,
): Promise<{ readonly account: string; readonly keyId: string } | Refusal> {
  const { region, time } = call
  const { account } = call.principal
  const service = aliasName.slice(aliasPrefix.length)
  const integration = integrations.get(service) as Integration
  const key = {
    keyId: await managedKeyId(account, region, service),
    account,
    description: integration.description,
    policy: managedKeyPolicy(integration, service, account, region),
  }
  const made = await makeOnce(key, call, services)
  if (isRefusal(made)) return made
  const alias = { account, region, aliasName }
  const times = { createdAt: time, updatedAt: time }
  const outcome = await createAlias(services.database, { ...alias, ...times, targetKeyId: key.keyId })
  services.aliases.forget(alias, key.keyId)
  if (outcome === 'created' || outcome === 'exists') return { account, keyId: key.keyId }
  return timedOut('the key is not in the index yet')
}

/** A key of this deployment's own, one for each purpose and Region. No account can see it or name it. */
export async function ownedKey(purpose: string, call: Call, services: Services): Promise<KeySnapshot | Refusal> {
  const keyId = await fixedKeyId(['owned', call.region, purpose])
  const policy = '{"Version":"2012-10-17","Statement":[]}'
  return makeOnce({ keyId, account: ownAccount, description: purpose, policy }, call, services)
}

async function makeOnce(
  key: { keyId: string; account: string; description: string; policy: string },
  call: Call,
  { namespace }: Services,
): Promise<KeySnapshot | Refusal> {
  const { account, ...rest } = key
  const creation = keyCall({ ...call, principal: servicePrincipal(maker, account) }, { keyAccount: account })
  return askTwice(() =>
    keyObject(namespace, call.region, key.keyId).create(creation, {
      ...rest,
      spec: 'SYMMETRIC_DEFAULT',
      usage: 'ENCRYPT_DECRYPT',
      origin: 'AWS_KMS',
      isMultiRegion: false,
      manager: 'AWS',
      policyPrincipalIds: {},
      tags: [],
      rotationPeriodDays: yearDays,
      createdBy: maker,
      isLockoutChecked: false,
    }),
  )
}

/** AWS's policy for such a key: whoever may use the service may use the key through it, and read what it is. */
function managedKeyPolicy({ policyId, title }: Integration, service: string, account: string, region: string): string {
  const policy = {
    Version: '2012-10-17',
    Id: policyId,
    Statement: [
      {
        Sid: `Allow access through ${title} for all principals in the account that are authorized to use ${title}`,
        Effect: 'Allow',
        Principal: { AWS: '*' },
        Action: ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:DescribeKey'],
        Resource: '*',
        Condition: {
          StringEquals: { 'kms:CallerAccount': account, 'kms:ViaService': `${service}.${region}.amazonaws.com` },
        },
      },
      {
        Sid: 'Allow direct access to key metadata to the account',
        Effect: 'Allow',
        Principal: { AWS: rootArn(account) },
        Action: ['kms:Describe*', 'kms:Get*', 'kms:List*'],
        Resource: '*',
      },
    ],
  }
  return JSON.stringify(policy)
}
