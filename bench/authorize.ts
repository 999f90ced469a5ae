import { pathToFileURL } from 'node:url'
import { authorizeKey } from '../src/access/decide.ts'
import type { AccessRequest, ResourcePolicy } from '../src/access/request.ts'

/* What a decision costs, in Node: twenty statements, most of which have to be looked into. */
const account = '111122223333'
const arn = `arn:aws:iam::${account}:user/alice`
const keyArn = `arn:aws:kms:eu-west-1:${account}:key/1234abcd-12ab-34cd-56ef-1234567890ab`

/** A policy variable. */
const username = `$\{aws:username}`

const ofKey = [
  { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: 'kms:*', Resource: '*' },
  {
    Effect: 'Deny',
    Principal: '*',
    Action: 'kms:*',
    Resource: '*',
    Condition: { Bool: { 'aws:SecureTransport': false } },
  },
  ...Array.from({ length: 8 }, (_, at) => ({
    Sid: `team${at}`,
    Effect: 'Allow',
    Principal: { AWS: [`arn:aws:iam::${account}:role/team-${at}`, `arn:aws:iam::${account}:user/team-${at}`] },
    Action: ['kms:Encrypt', 'kms:Decrypt', 'kms:GenerateDataKey*'],
    Resource: '*',
    Condition: { StringEquals: { 'kms:EncryptionContext:team': `team-${at}` } },
  })),
]
const ofCaller = [
  ...Array.from({ length: 5 }, (_, at) => ({
    Effect: 'Deny',
    Action: 'kms:*',
    Resource: `arn:aws:kms:*:${account}:key/${at}*`,
    Condition: { StringNotLike: { 'kms:EncryptionContext:path': ['/srv/*/a?c', '/home/*'] } },
  })),
  ...Array.from({ length: 4 }, (_, at) => ({
    Effect: 'Allow',
    Action: 'kms:*',
    Resource: '*',
    Condition: { StringEquals: { 'kms:EncryptionContext:owner': `${username}-${at}` } },
  })),
  {
    Effect: 'Allow',
    Action: 'kms:*',
    Resource: '*',
    Condition: { StringEquals: { 'kms:EncryptionContext:owner': username } },
  },
]
const text = (Statement: unknown) => JSON.stringify({ Version: '2012-10-17', Statement })

const policy: ResourcePolicy = {
  name: 'key policy',
  text: text(ofKey),
  principalIds: Object.fromEntries(
    Array.from({ length: 8 }, (_, at) => [
      [`arn:aws:iam::${account}:role/team-${at}`, `AROA${at}`],
      [`arn:aws:iam::${account}:user/team-${at}`, `AIDA${at}`],
    ]).flat(),
  ),
}
const request: AccessRequest = {
  principal: {
    kind: 'user',
    account,
    arn,
    id: 'AIDAALICE',
    tags: {},
    documents: { identity: [{ name: 'bench', text: text(ofCaller) }], boundary: null, session: [] },
    session: null,
  },
  action: 'kms:Encrypt',
  resource: keyArn,
  resourceAccount: account,
  key: {
    spec: 'SYMMETRIC_DEFAULT',
    usage: 'ENCRYPT_DECRYPT',
    origin: 'AWS_KMS',
    isMultiRegion: false,
    multiRegionKeyType: null,
    tags: [],
    aliases: null,
  },
  keyNamed: keyArn,
  parameters: { KeyId: keyArn, EncryptionContext: { owner: 'alice', path: '/srv/data/abc' } },
  region: 'eu-west-1',
  wallTime: 1_795_435_200_000,
  sourceIp: '203.0.113.10',
  userAgent: 'bench',
  isSecure: true,
  viaService: null,
}

export interface Decisions {
  readonly calls: number
  readonly statements: number
  /** Microseconds, each call timed by itself. */
  readonly p50: number
  readonly p99: number
  /** Microseconds, all calls together. */
  readonly mean: number
}

export function measureDecisions(calls = 1_000_000): Decisions {
  const decide = () => authorizeKey(request, { policy, grants: [] })
  if (!decide().isAllowed) throw new Error(`The bench's own request is refused: ${decide().reason}`)
  for (let warm = 0; warm < 20_000; warm++) decide()
  const took = new Float64Array(calls)
  const begun = process.hrtime.bigint()
  for (let call = 0; call < calls; call++) {
    const from = performance.now()
    decide()
    took[call] = (performance.now() - from) * 1000
  }
  const mean = Number(process.hrtime.bigint() - begun) / 1000 / calls
  took.sort()
  const at = (share: number) => took[Math.floor(share * calls)] ?? Number.NaN
  return { calls, statements: ofKey.length + ofCaller.length, p50: at(0.5), p99: at(0.99), mean }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.log(measureDecisions())
