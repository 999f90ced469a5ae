import { concat, fromBase64, toBase64 } from '../model/bytes.ts'
import type { PolicyDocument, SessionFacts } from '../model/call.ts'
import type { RootKeys } from './root-keys.ts'
import { openSecret, sealSecret } from './secret.ts'

/** All that there is of a session: its token holds it, and nothing is stored. */
export interface Session {
  readonly secretAccessKey: string
  readonly account: string
  /** arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION */
  readonly arn: string
  readonly facts: SessionFacts
  readonly policies: readonly PolicyDocument[]
  /** Wall time in milliseconds. */
  readonly expiresAt: number
}

const label = 'edge-kms/session-token'
const format = 1
const headBytes = 5

/** Base64 of format u8 ‖ root version u32 ‖ the session, sealed for its access key id. */
export async function sealSession(roots: RootKeys, accessKeyId: string, session: Session): Promise<string> {
  const { rootVersion, sealed } = await sealSecret(roots, label, [accessKeyId], JSON.stringify(session))
  const head = new Uint8Array(headBytes)
  const view = new DataView(head.buffer)
  view.setUint8(0, format)
  view.setUint32(1, rootVersion)
  return toBase64(concat([head, sealed]))
}

/** Null: not a token of ours, or not this access key's. It may have expired. */
export async function openSession(roots: RootKeys, accessKeyId: string, token: string): Promise<Session | null> {
  const bytes = fromBase64(token)
  if (bytes === null || bytes.length <= headBytes) return null
  const view = new DataView(bytes.buffer)
  if (view.getUint8(0) !== format) return null
  const opened = await openSecret(roots, label, [accessKeyId], {
    rootVersion: view.getUint32(1),
    sealed: bytes.subarray(headBytes),
  })
  return opened === null ? null : (JSON.parse(opened) as Session)
}
