import type { AdminClient } from './client.ts'

export interface RootKeyVersion {
  readonly version: number
  /** In ROOT_KEYS. */
  readonly isThere: boolean
  readonly accessKeys: number
  /** Wall time in milliseconds, as are the next two. */
  readonly supersededAt: number | null
  readonly retirableAt: number | null
  readonly retiredAt: number | null
}

export interface RootKeyState {
  readonly current: number
  readonly versions: readonly RootKeyVersion[]
  /** The classes of objects that keep something sealed under the root key. */
  readonly classes: readonly string[]
}

export function readRootKeys(admin: AdminClient): Promise<RootKeyState> {
  return admin.run<RootKeyState>('root-keys', {})
}
