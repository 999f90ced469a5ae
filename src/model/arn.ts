const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const multiRegionForm = /^mrk-[0-9a-f]{32}$/
const arnForm = /^arn:aws:kms:([^:]+):(\d{12}):(.+)$/

/** The ways to name a key in a request. A name says nothing about whether the key exists. */
export type KeyName =
  | { readonly form: 'key'; readonly keyId: string }
  | { readonly form: 'alias'; readonly aliasName: string }
  | { readonly form: 'keyArn'; readonly region: string; readonly account: string; readonly keyId: string }
  | { readonly form: 'aliasArn'; readonly region: string; readonly account: string; readonly aliasName: string }

export function isKeyId(text: string): boolean {
  return uuidForm.test(text) || multiRegionForm.test(text)
}

export function keyArn(region: string, account: string, keyId: string): string {
  return `arn:aws:kms:${region}:${account}:key/${keyId}`
}

export function aliasArn(region: string, account: string, aliasName: string): string {
  return `arn:aws:kms:${region}:${account}:${aliasName}`
}

export function rootArn(account: string): string {
  return `arn:aws:iam::${account}:root`
}

/** The account that an ARN of a principal is in; null for what is no such ARN. */
export function accountOf(arn: string): string | null {
  return /^arn:aws:(?:iam|sts)::(\d{12}):/.exec(arn)?.[1] ?? null
}

/** Null for text that names no key in any of the four forms. */
export function parseKeyName(text: string): KeyName | null {
  if (text.startsWith('alias/')) return { form: 'alias', aliasName: text }
  if (!text.startsWith('arn:')) return isKeyId(text) ? { form: 'key', keyId: text } : null
  const [, region, account, resource] = arnForm.exec(text) ?? []
  if (region === undefined || account === undefined || resource === undefined) return null
  if (resource.startsWith('alias/')) return { form: 'aliasArn', region, account, aliasName: resource }
  const keyId = resource.startsWith('key/') ? resource.slice(4) : ''
  return isKeyId(keyId) ? { form: 'keyArn', region, account, keyId } : null
}
