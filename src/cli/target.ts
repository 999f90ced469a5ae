import { Stop } from '../local/options.ts'
import { type Credentials, createKms, type Kms } from '../sdk/index.ts'

/** Which KMS is asked, and by whom. */
export interface Target {
  readonly endpoint: string
  readonly region: string
  readonly credentials: Credentials
}

type Env = Readonly<Record<string, string | undefined>>

const localEndpoint = 'http://127.0.0.1:8787'

export function parseTarget(values: { readonly endpoint?: string; readonly region?: string }, env: Env): Target {
  const text = values.endpoint ?? (env.AWS_ENDPOINT_URL_KMS || env.AWS_ENDPOINT_URL || localEndpoint)
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new Stop(`--endpoint takes a URL such as https://kms.example.com, not ${text}.`)
  }
  const otherwise = /^(localhost|\[::1\]|127(\.\d{1,3}){3})$/.test(url.hostname) ? 'test' : undefined
  const accessKeyId = env.AWS_ACCESS_KEY_ID || otherwise
  const secretAccessKey = env.AWS_SECRET_ACCESS_KEY || otherwise
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new Stop('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set: set them to credentials of this KMS.')
  }
  return {
    endpoint: url.origin,
    region: values.region ?? (env.AWS_REGION || env.AWS_DEFAULT_REGION || 'us-east-1'),
    credentials: { accessKeyId, secretAccessKey, sessionToken: env.AWS_SESSION_TOKEN || undefined },
  }
}

/** Of another Region where that is named. */
export function kmsOf(target: Target, region = target.region): Kms {
  return createKms({ ...target, region })
}
