import type { Deployment, Env } from '../deployment.ts'
import { wireOf, wires } from '../http/serve.ts'
import type { Authenticate } from '../http/sigv4.ts'
import { refuse } from '../model/errors.ts'
import { rootPrincipal } from '../model/settings.ts'
import { createWorker } from '../worker.ts'

export { KeyObject } from '../worker.ts'

/** What only the local server sets. The deployed Worker is worker.ts, which knows none of these. */
interface LocalEnv extends Env {
  /** Milliseconds by which lifecycle time is ahead of wall time. */
  readonly LOCAL_CLOCK_OFFSET_MS: number
  readonly LOCAL_AUTH: 'on' | 'off'
  /** Set where anybody could sign: default credentials, or none needed. */
  readonly LOCAL_LOOPBACK_ONLY: boolean
}

const worker = createWorker({
  clock(env) {
    const wallTime = Date.now()
    return { wallTime, time: wallTime + (env as LocalEnv).LOCAL_CLOCK_OFFSET_MS }
  },
  authenticate: ({ authenticate }: Deployment, env) =>
    (env as LocalEnv).LOCAL_AUTH === 'off' ? trustAnyone : authenticate,
  // Nothing rewrites it here, and what says otherwise is made up.
  acceptEncoding: () => null,
  sourceIp: () => '127.0.0.1',
  fetch: (url, init) => fetch(url, init),
})

export default {
  ...worker,
  fetch(request, env, ctx) {
    const stranger = (env as LocalEnv).LOCAL_LOOPBACK_ONLY ? strangerRefusal(request) : null
    if (stranger !== null) {
      const { headers } = request
      return wireOf(headers.get('authorization'), headers).refuse(stranger, null, crypto.randomUUID())
    }
    return worker.fetch?.(request, env, ctx) as Promise<Response>
  },
} satisfies ExportedHandler<Env>

/** Web pages and rebound host names reach local ports, too: only what a KMS client sends to this machine passes. */
function strangerRefusal(request: Request) {
  const { headers, method, url } = request
  if (!isLoopback(headers.get('host') ?? new URL(url).host)) {
    return refuse('AccessDeniedException', 'With default credentials only requests to a loopback Host are served.')
  }
  if (headers.has('origin')) {
    return refuse('AccessDeniedException', 'With default credentials requests from web pages are not served.')
  }
  const authorization = headers.get('authorization')
  // A form without it may be AssumeRoleWithWebIdentity: the door serves that alone unsigned, and reads the form to tell.
  const isForDoor = authorization === null && wireOf(authorization, headers) === wires.get('sts')
  if (method === 'POST' && !isForDoor && !/^AWS4-HMAC-SHA256 .*Credential=/.test(authorization ?? '')) {
    return refuse('MissingAuthenticationTokenException', 'Missing Authentication Token')
  }
  return null
}

function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase()
  return name === 'localhost' || name.endsWith('.localhost') || name === '[::1]' || /^127(\.\d{1,3}){3}$/.test(name)
}

/** `--auth off`: any credentials are the root of the account that the access key id spells, else of account 0. */
const trustAnyone: Authenticate = async ({ authorization }) => {
  if (authorization === null) return refuse('MissingAuthenticationTokenException', 'Missing Authentication Token')
  const [, accessKeyId, region, service] =
    /Credential=([^/,\s]+)\/[^/,\s]*\/([^/,\s]+)\/([^/,\s]+)/.exec(authorization) ?? []
  if (accessKeyId === undefined || region === undefined || service === undefined || !wires.has(service)) {
    return refuse('IncompleteSignatureException', "Authorization header requires 'Credential' parameter.")
  }
  const account = /^\d{12}$/.test(accessKeyId) ? accessKeyId : '000000000000'
  return { principal: rootPrincipal(account), accessKeyId, region, service }
}
