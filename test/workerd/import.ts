import type { Key, KeyCall, NewMaterial } from '../../src/key/key.ts'
import { isRefusal } from '../../src/model/errors.ts'
import { callBy } from '../support/workerd.ts'

/** Material under its wrapping key, with the token: what ImportKeyMaterial brings. */
export async function wrapped(key: Key, material: Uint8Array<ArrayBuffer>, call: KeyCall = callBy()) {
  const parameters = await key.parametersForImport(call, { algorithm: 'RSAES_OAEP_SHA_256', spec: 'RSA_2048' })
  if (isRefusal(parameters)) throw new Error(parameters.reason)
  const { importToken, publicKey, expiresAt } = parameters
  const oaep = { name: 'RSA-OAEP', hash: 'SHA-256' }
  const under = await crypto.subtle.importKey('spki', publicKey, oaep, false, ['encrypt'])
  const encrypted = new Uint8Array(await crypto.subtle.encrypt(oaep, under, material))
  return { importToken, encrypted, tokenExpiresAt: expiresAt }
}

const options = { expiresAt: null, importType: null, description: null, keyMaterialId: null } as const

/** The answer to an import of what was wrapped. */
export function bring(
  key: Key,
  { importToken, encrypted }: Pick<NewMaterial, 'importToken' | 'encrypted'>,
  how: Partial<NewMaterial> = {},
  call: KeyCall = callBy(),
) {
  return key.importMaterial(call, { importToken, encrypted, ...options, ...how })
}

/** As `bring`, from the material itself. Throws where it is refused. */
export async function importInto(
  key: Key,
  material: Uint8Array<ArrayBuffer>,
  how: Partial<NewMaterial> = {},
  call: KeyCall = callBy(),
): Promise<string> {
  const imported = await bring(key, await wrapped(key, material, call), how, call)
  if (isRefusal(imported)) throw new Error(imported.reason)
  return imported.keyMaterialId as string
}

export function newMaterial(): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(32))
}
