import type { KeySpec } from '../model/key-specs.ts'
import type { NowOrLater } from '../model/now-or-later.ts'
import type { SealedReader } from './seal.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** What an algorithm needs of a key, made of its sealed material or of its public key. */
export type Form<Value> = (key: OpenPrivate, reader: SealedReader) => Promise<Value>

/** A version of a key that is not SYMMETRIC_DEFAULT: it opens as its algorithms need it, into each form once. */
export class OpenPrivate {
  readonly keyMaterialId: string
  readonly spec: KeySpec
  /** SubjectPublicKeyInfo; null: an HMAC key. */
  readonly publicKey: Bytes | null
  readonly #reader: SealedReader
  readonly #forms = new Map<Form<unknown>, unknown>()

  constructor(
    { keyMaterialId, spec, publicKey }: Pick<OpenPrivate, 'keyMaterialId' | 'spec' | 'publicKey'>,
    reader: SealedReader,
  ) {
    this.keyMaterialId = keyMaterialId
    this.spec = spec
    this.publicKey = publicKey
    this.#reader = reader
  }

  /**
   * A form is known by the function that makes it. It is kept once it is there, so that nobody waits for the promise of
   * a request that has ended: two who ask first at once both make it. Throws where the material does not open.
   */
  form<Value>(make: Form<Value>): NowOrLater<Value> {
    const held = this.#forms.get(make) as Value | undefined
    return held ?? this.#make(make)
  }

  /** Of what has a public key. */
  get spki(): Bytes {
    if (this.publicKey === null) throw new Error(`A key of ${this.spec} has no public key`)
    return this.publicKey
  }

  async #make<Value>(make: Form<Value>): Promise<Value> {
    const form = await make(this, this.#reader)
    this.#forms.set(make, form)
    return form
  }
}

/** A form that is made of the bytes themselves. They are erased once it is: `make` copies what it keeps. */
export function formOfBytes<Value>(make: (key: OpenPrivate, bytes: Bytes) => NowOrLater<Value>): Form<Value> {
  return async (key, reader) => {
    const bytes = await reader.bytes()
    try {
      return await make(key, bytes)
    } finally {
      bytes.fill(0)
    }
  }
}
