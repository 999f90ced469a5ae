import type { MacKms } from '../../src/adapters/blind-index.ts'
import type { IntegratedKms } from '../../src/adapters/r2.ts'
import type { EnvelopeKms } from '../../src/envelope/index.ts'
import { isolate } from './isolate.ts'
import { region } from './workerd.ts'

type Members = Record<string, unknown>

/** The pipeline of the Worker as a service binding gives it to envelopes. `asked` has the names of what was called. */
export async function envelopeKms(): Promise<EnvelopeKms & IntegratedKms & { asked: string[] }> {
  const at = await isolate()
  const asked: string[] = []
  const through = (viaService: string | null): EnvelopeKms => {
    const ask = async (operation: string, input: Members) => {
      asked.push(operation)
      const wire = Object.entries(input).map(([name, value]) => [
        name,
        value instanceof Uint8Array ? value.toBase64() : value,
      ])
      return (await at.must(operation, Object.fromEntries(wire), undefined, { viaService })) as Members
    }
    return {
      generateDataKey: (input) => ask('GenerateDataKey', input),
      encrypt: (input) => ask('Encrypt', input),
      decrypt: (input) => ask('Decrypt', input),
      getPublicKey: (input) => ask('GetPublicKey', input),
    }
  }
  const via = (integration: string) => through(`${integration}.${region}.amazonaws.com`)
  return { ...through(null), via, asked }
}

/** HMAC by WebCrypto, under a key that is the name's. */
export const macKms: MacKms = {
  async generateMac({ KeyId, Message }) {
    const raw = new TextEncoder().encode(KeyId)
    const key = await crypto.subtle.importKey('raw', raw, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
    return { Mac: new Uint8Array(await crypto.subtle.sign('HMAC', key, Message as Uint8Array<ArrayBuffer>)) }
  },
}
