import { readArgs, Stop } from '../local/options.ts'

export interface AdminOptions {
  readonly endpoint: string
  readonly credentials: {
    readonly accessKeyId: string
    readonly secretAccessKey: string
    readonly sessionToken: string
  }
  readonly region: string
  /** A local server's state folder; null: the objects are enumerated by Cloudflare's API. */
  readonly state: string | null
  /** What is not an option. */
  readonly words: readonly string[]
  readonly isForced: boolean
  readonly isAnew: boolean
}

const localEndpoint = 'http://127.0.0.1:8787'

export const usage = `npm run root:rotate   -- [options]           seals everything under the current version of the root key
npm run root:retire   -- VERSION [options]   gives an older version up, once nothing needs it
npm run index:rebuild -- [options]           restores the index of keys from the keys
npm run dead-letters  -- list|replay|drop [MESSAGE_ID…] [options]   queue messages that nothing could be done with

  --endpoint URL  the deployment (AWS_ENDPOINT_URL_KMS, else ${localEndpoint})
  --state DIR     of a local server: its state folder (.edge-kms where the endpoint is on this machine)
  --anew          from the first object, where an earlier run was cut short
  --force         root:retire alone: before the tokens that were made under the version have expired
  --help          this text

It signs as a root of the deployment with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (test and test on this machine). Away
from this machine, objects are enumerated with CLOUDFLARE_API_TOKEN (Workers Scripts Read) and CLOUDFLARE_ACCOUNT_ID.`

const options = {
  endpoint: { type: 'string' },
  state: { type: 'string' },
  anew: { type: 'boolean', default: false },
  force: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

export function parseOptions(args: readonly string[], env: NodeJS.ProcessEnv): AdminOptions | 'help' {
  const { values, positionals } = readArgs({ args: [...args], allowPositionals: true, options }, usage)
  if (values.help) return 'help'
  const endpoint = parseEndpoint(values.endpoint ?? (env.AWS_ENDPOINT_URL_KMS || localEndpoint))
  const isLocal = isLoopback(new URL(endpoint).hostname)
  const otherwise = isLocal ? 'test' : undefined
  const accessKeyId = env.AWS_ACCESS_KEY_ID || otherwise
  const secretAccessKey = env.AWS_SECRET_ACCESS_KEY || otherwise
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new Stop('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set. Set them to a root of ROOT_CREDENTIALS.')
  }
  return {
    endpoint,
    credentials: { accessKeyId, secretAccessKey, sessionToken: env.AWS_SESSION_TOKEN ?? '' },
    region: env.AWS_REGION || env.AWS_DEFAULT_REGION || 'us-east-1',
    state: values.state ?? (isLocal ? '.edge-kms' : null),
    words: positionals,
    isForced: values.force,
    isAnew: values.anew,
  }
}

function parseEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol)) throw new Stop(`--endpoint takes a URL, not ${text}.`)
  return url.origin
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname)
}
