import { rootArn } from './arn.ts'
import type { Principal } from './call.ts'
import { isRegion } from './regions.ts'

/**
 * `packed`: records of crypto calls and reads wait a quarter of a second to go to the audit queue together, after the
 * answer. `strict`: a call is answered once the queue has its record. `off`: only changes are recorded.
 */
export type AuditMode = 'packed' | 'strict' | 'off'

const auditModes: readonly string[] = ['packed', 'strict', 'off'] satisfies AuditMode[]

export interface Settings {
  readonly keySnapshotSeconds: number
  /** 0 whenever keySnapshotSeconds is: who asks on every call wants no stale answer. */
  readonly staleSeconds: number
  readonly audit: AuditMode
  /** How many records of crypto calls and reads D1 keeps; changes are kept for 90 days. */
  readonly auditRowsMax: number
  /** False: nothing is served over service bindings. */
  readonly isRpcOpen: boolean
  isRegionServed(region: string): boolean
}

/** A string is the sentence that says which variable is wrong and what it takes. */
export function parseSettings(variables: {
  readonly KEY_SNAPSHOT_SECONDS?: string
  readonly STALE_SECONDS?: string
  readonly REGIONS?: string
  readonly AUDIT?: string
  readonly AUDIT_ROWS_MAX?: string
  readonly CORS_ORIGINS?: string
  readonly RPC?: string
}): Settings | string {
  const keySnapshotSeconds = seconds(variables.KEY_SNAPSHOT_SECONDS, 5)
  const staleSeconds = seconds(variables.STALE_SECONDS, 300)
  if (keySnapshotSeconds === null) return 'KEY_SNAPSHOT_SECONDS is not a number of seconds from 0 to 3600.'
  if (staleSeconds === null) return 'STALE_SECONDS is not a number of seconds from 0 to 3600.'
  const audit = variables.AUDIT || 'packed'
  if (!auditModes.includes(audit)) return `AUDIT is none of ${auditModes.join(', ')}.`
  const auditRowsMax = variables.AUDIT_ROWS_MAX || '100000'
  if (!/^\d{1,9}$/.test(auditRowsMax)) return 'AUDIT_ROWS_MAX is not a number of rows from 0 to 999999999.'
  const page = entriesOf(variables.CORS_ORIGINS).find((origin) => !isOrigin(origin))
  if (page !== undefined) return `CORS_ORIGINS has ${page}, which is no origin such as https://app.example.com.`
  const rpc = variables.RPC || 'on'
  if (rpc !== 'on' && rpc !== 'off') return 'RPC is none of on, off.'
  const regions = entriesOf(variables.REGIONS)
  const unknown = regions.find((region) => !isRegion(region))
  if (unknown !== undefined) return `REGIONS has ${unknown}, which is no AWS Region.`
  const served = new Set(regions)
  return {
    keySnapshotSeconds,
    staleSeconds: keySnapshotSeconds === 0 ? 0 : staleSeconds,
    audit: audit as AuditMode,
    auditRowsMax: Number(auditRowsMax),
    isRpcOpen: rpc === 'on',
    isRegionServed: (region) => (served.size === 0 ? isRegion(region) : served.has(region)),
  }
}

/** As a browser sends it: no path, no trailing slash, and never `*`. */
function isOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text
}

/** What white space separates. */
function entriesOf(text: string | undefined): string[] {
  return (text ?? '').split(/\s+/).filter((entry) => entry !== '')
}

function seconds(text: string | undefined, otherwise: number): number | null {
  if (text === undefined || text === '') return otherwise
  return /^\d+(\.\d+)?$/.test(text) && Number(text) <= 3600 ? Number(text) : null
}

/**
 * Reads `VERSION:BASE64 VERSION:BASE64 …`, each 32 bytes, by version. A string is the sentence that says what is wrong;
 * it never repeats what it read. `decode` answers null for what is not base64.
 */
export function parseRootKeys<Bytes extends Uint8Array>(
  text: string | undefined,
  decode: (base64: string) => Bytes | null,
): ReadonlyMap<number, Bytes> | string {
  const entries = entriesOf(text)
  if (entries.length === 0) {
    return 'ROOT_KEYS is not set. Set it to VERSION:BASE64 with 32 random bytes, for example "1:<44 characters of base64>".'
  }
  const keys = new Map<number, Bytes>()
  for (const [at, entry] of entries.entries()) {
    const [, version, encoded = ''] = /^([1-9]\d{0,8}):(.+)$/.exec(entry) ?? []
    const bytes = decode(encoded)
    if (version === undefined || bytes?.length !== 32) {
      return `ROOT_KEYS is malformed: entry ${at + 1} is not VERSION:BASE64 with 32 bytes (44 characters of base64).`
    }
    if (keys.has(Number(version))) return `ROOT_KEYS is malformed: version ${version} is there twice.`
    keys.set(Number(version), bytes)
  }
  return keys
}

export interface RootCredential {
  readonly secretAccessKey: string
  readonly principal: Principal
}

/**
 * Reads `ACCOUNT:ACCESS_KEY_ID:SECRET …`, by access key id. A string is the sentence that says what is wrong; it
 * never repeats what it read.
 */
export function parseRootCredentials(text: string | undefined): ReadonlyMap<string, RootCredential> | string {
  const entries = entriesOf(text)
  if (entries.length === 0) {
    return 'ROOT_CREDENTIALS is not set. Set it to ACCOUNT:ACCESS_KEY_ID:SECRET_ACCESS_KEY with an account of 12 digits.'
  }
  const credentials = new Map<string, RootCredential>()
  for (const [at, entry] of entries.entries()) {
    const [, account, accessKeyId, secretAccessKey] = /^(\d{12}):([\w-]{1,128}):(.+)$/.exec(entry) ?? []
    if (account === undefined || accessKeyId === undefined || secretAccessKey === undefined) {
      return `ROOT_CREDENTIALS is malformed: entry ${at + 1} is not ACCOUNT:ACCESS_KEY_ID:SECRET_ACCESS_KEY with an account of 12 digits.`
    }
    if (credentials.has(accessKeyId)) return `ROOT_CREDENTIALS is malformed: entry ${at + 1} repeats an access key id.`
    credentials.set(accessKeyId, { secretAccessKey, principal: rootPrincipal(account) })
  }
  return credentials
}

export function rootPrincipal(account: string): Principal {
  return { kind: 'root', account, arn: rootArn(account), id: account, tags: {}, documents: null, session: null }
}
