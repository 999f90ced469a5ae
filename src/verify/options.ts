import { createPublicKey, type KeyObject } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import type { TrailName } from '../audit/digest.ts'
import { readArgs, Stop } from '../local/options.ts'
import { sha256 } from './read-digest.ts'
import type { PinnedHead } from './trail.ts'

export interface VerifyOptions {
  readonly place: { readonly kind: 'folder' | 'bucket' | 'state'; readonly name: string }
  readonly keys: ReadonlyMap<string, KeyObject>
  readonly head: PinnedHead | null
  readonly endpoint: string | null
  /** Null: all that are there. */
  readonly trail: TrailName | null
}

export const usage = `npm run audit:verify -- DIR [options]              a folder that mirrors the archive's bucket
npm run audit:verify -- --bucket NAME [options]    the bucket, through R2's S3 API
npm run audit:verify -- --state DIR [options]      the archive in a local server's state folder

  --public-key FILE|TEXT   the trail's public key (PEM, or SubjectPublicKeyInfo in base64); may be repeated
  --head NUMBER:HASH       the head of the chain at some earlier time
  --endpoint URL           asks the deployment for key and head (with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)
  --trail ACCOUNT/REGION   this trail alone
  --help                   this text

It needs a --public-key or an --endpoint. The exit code is 0 where everything is as it was written, 1 where it is not, and 2
where that could not be told. See docs/audit.md.`

const options = {
  bucket: { type: 'string' },
  state: { type: 'string' },
  'public-key': { type: 'string', multiple: true },
  head: { type: 'string' },
  endpoint: { type: 'string' },
  trail: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const

export function parseOptions(args: readonly string[]): VerifyOptions | 'help' {
  const { values, positionals } = readArgs({ args: [...args], allowPositionals: true, options }, usage)
  if (values.help) return 'help'
  const places = [
    ...positionals.map((name) => ({ kind: 'folder' as const, name })),
    ...(values.bucket === undefined ? [] : [{ kind: 'bucket' as const, name: values.bucket }]),
    ...(values.state === undefined ? [] : [{ kind: 'state' as const, name: values.state }]),
  ]
  const [place] = places
  if (place === undefined || places.length > 1) throw new Stop(`Name one folder, --bucket or --state.\n${usage}`)
  const given = values['public-key'] ?? []
  const { endpoint = null } = values
  if (given.length === 0 && endpoint === null) {
    throw new Stop('Name the --public-key that the digests were signed with, or the --endpoint of the deployment.')
  }
  if (endpoint !== null && !URL.canParse(endpoint)) throw new Stop(`--endpoint takes a URL, not ${endpoint}.`)
  return {
    place,
    keys: new Map(given.map(publicKey)),
    head: values.head === undefined ? null : parseHead(values.head),
    endpoint: endpoint === null ? null : new URL(endpoint).origin,
    trail: values.trail === undefined ? null : parseTrail(values.trail),
  }
}

/** With its fingerprint. */
export function publicKey(given: string): [string, KeyObject] {
  const text = (existsSync(given) ? readFileSync(given, 'utf8') : given).trim()
  try {
    const key = text.startsWith('-----')
      ? createPublicKey(text)
      : createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' })
    if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Error('not on P-256')
    return [sha256(key.export({ format: 'der', type: 'spki' })), key]
  } catch {
    throw new Stop(`${given} is no public key on P-256, and no file that has one.`)
  }
}

function parseHead(text: string): PinnedHead {
  const [, number, hash] = /^([1-9]\d{0,8}):([0-9a-f]{64})$/.exec(text) ?? []
  if (number === undefined || hash === undefined) {
    throw new Stop(`--head takes a digest's number and hash, such as 12:9bb6…, not ${text}.`)
  }
  return { number: Number(number), hash, object: null }
}

function parseTrail(text: string): TrailName {
  const [, account, region] = /^(\d{12})\/([a-z0-9-]+)$/.exec(text) ?? []
  if (account === undefined || region === undefined) {
    throw new Stop(`--trail takes an account and a Region, such as 111122223333/us-east-1, not ${text}.`)
  }
  return { account, region }
}
