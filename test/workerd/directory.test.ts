import { createExecutionContext, evictDurableObject, runInDurableObject, waitOnExecutionContext } from 'cloudflare:test'
import { afterEach, describe, expect, it, vi } from 'vitest'
import worker, { testClock } from '../support/test-worker.ts'
import { callBy, createKey, type env as Env, env, request, signed, succeed } from '../support/workerd.ts'

afterEach(() => {
  testClock.wallMs = 0
  vi.restoreAllMocks()
})

const plaintext = 'aGVsbG8='

interface Watched {
  readonly env: typeof Env
  /** Calls on bindings that have begun. */
  begun: number
  /** While set, no call on a binding comes back. */
  gate: Promise<void> | undefined
}

/** The bindings, with every call counted and held back at will. */
function watched(overrides: Partial<typeof Env> = {}): Watched {
  const watch: Watched = {
    env: {
      ...env,
      KEYS: watchedCalls(env.KEYS, () => watch, 2),
      DB: watchedCalls(env.DB, () => watch, 3),
      ...overrides,
    },
    begun: 0,
    gate: undefined,
  }
  return watch
}

/** Wraps what a binding's methods return down to `depth`, and counts the promises that they make. */
function watchedCalls<Binding extends object>(binding: Binding, watch: () => Watched, depth: number): Binding {
  return new Proxy(binding, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return (...args: unknown[]) => {
        const result: unknown = Reflect.apply(member, target, args)
        // A stub answers to every name, `then` too, so it is told from a promise by who made it.
        const isCall = name !== 'getByName' && name !== 'prepare' && name !== 'bind'
        if (!isCall) return depth > 0 ? watchedCalls(result as object, watch, depth - 1) : result
        watch().begun++
        const { gate } = watch()
        return gate === undefined ? result : gate.then(() => result)
      }
    },
  })
}

/** Answers as soon as the Worker does, whatever it left running. */
async function answer(operation: string, input: unknown, overEnv: typeof Env) {
  const ctx = createExecutionContext()
  const response = await worker.fetch?.((await signed(operation, input)) as never, overEnv, ctx)
  return { body: (await response?.json()) as Record<string, unknown>, ctx }
}

describe('the steady state', () => {
  it('answers 1,000 Encrypts over two refreshes of the snapshot without waiting for a subrequest', async () => {
    const { keyId } = await createKey()
    const watch = watched()
    await succeed('Encrypt', { KeyId: keyId, Plaintext: plaintext }, watch.env)
    const warm = watch.begun
    const contexts: ExecutionContext[] = []
    for (const age of [0, 2_600, 5_200]) {
      testClock.wallMs = age
      let open = () => {}
      // Whoever waited for a binding now would wait for ever.
      watch.gate = new Promise((resolve) => {
        open = resolve
      })
      for (let count = 0; count < 334; count++) {
        const { body, ctx } = await answer('Encrypt', { KeyId: keyId, Plaintext: plaintext }, watch.env)
        expect(body).toHaveProperty('CiphertextBlob')
        contexts.push(ctx)
      }
      open()
      watch.gate = undefined
      await Promise.all(contexts.map((ctx) => waitOnExecutionContext(ctx)))
    }
    expect(watch.begun - warm).toBe(2)
  })

  it('fetches a key once for all who miss it at the same time', async () => {
    const { keyId } = await createKey()
    const watch = watched()
    await succeed('GenerateRandom', { NumberOfBytes: 1 }, watch.env)
    const before = watch.begun
    await Promise.all(
      Array.from({ length: 50 }, () => succeed('Encrypt', { KeyId: keyId, Plaintext: plaintext }, watch.env)),
    )
    expect(watch.begun - before).toBe(1)
  })

  it('asks the object on every call where KEY_SNAPSHOT_SECONDS is 0', async () => {
    const { keyId, key } = await createKey()
    const watch = watched({ KEY_SNAPSHOT_SECONDS: '0' })
    await succeed('GenerateRandom', { NumberOfBytes: 1 }, watch.env)
    const before = watch.begun
    for (let count = 0; count < 10; count++) {
      await succeed('Encrypt', { KeyId: keyId, Plaintext: plaintext }, watch.env)
    }
    expect(watch.begun - before).toBe(10)
    await key.disable(callBy())
    expect((await request('Encrypt', { KeyId: keyId, Plaintext: plaintext }, watch.env)).body).toMatchObject({
      __type: 'DisabledException',
    })
  })
})

describe('a change', () => {
  it('made through this isolate is seen at once', async () => {
    const { keyId } = await createKey()
    await succeed('Encrypt', { KeyId: keyId, Plaintext: plaintext })
    await succeed('DisableKey', { KeyId: keyId })
    expect((await request('Encrypt', { KeyId: keyId, Plaintext: plaintext })).body.__type).toBe('DisabledException')
    await succeed('EnableKey', { KeyId: keyId })
    await succeed('Encrypt', { KeyId: keyId, Plaintext: plaintext })
  })

  it('made elsewhere is seen once the snapshot is too old, and no earlier refresh brings the past back', async () => {
    const { keyId, key } = await createKey()
    await succeed('Encrypt', { KeyId: keyId, Plaintext: plaintext })
    await key.disable(callBy())
    await succeed('Encrypt', { KeyId: keyId, Plaintext: plaintext })
    testClock.wallMs = 5_001
    expect((await request('Encrypt', { KeyId: keyId, Plaintext: plaintext })).body.__type).toBe('DisabledException')
  })

  it('is not undone by a refresh that began before it', async () => {
    const { keyId } = await createKey()
    const watch = watched()
    await succeed('Encrypt', { KeyId: keyId, Plaintext: plaintext }, watch.env)
    testClock.wallMs = 2_600
    let open = () => {}
    watch.gate = new Promise((resolve) => {
      open = resolve
    })
    const { ctx } = await answer('Encrypt', { KeyId: keyId, Plaintext: plaintext }, watch.env)
    watch.gate = undefined
    await succeed('DisableKey', { KeyId: keyId }, watch.env)
    open()
    await waitOnExecutionContext(ctx)
    const { body } = await request('Encrypt', { KeyId: keyId, Plaintext: plaintext }, watch.env)
    expect(body.__type).toBe('DisabledException')
  })

  it('by rotation leaves both versions readable, here and in an isolate that has not heard of it', async () => {
    const { keyId, key } = await createKey()
    const before = await succeed('Encrypt', { KeyId: keyId, Plaintext: plaintext })
    const elsewhere = { ...env }
    await succeed('Encrypt', { KeyId: keyId, Plaintext: plaintext }, elsewhere)
    await key.rotateOnDemand(callBy())
    testClock.wallMs = 5_001
    const after = await succeed('Encrypt', { KeyId: keyId, Plaintext: plaintext })
    testClock.wallMs = 0
    for (const { CiphertextBlob } of [before, after]) {
      for (const over of [env, elsewhere]) {
        expect(await succeed('Decrypt', { CiphertextBlob }, over)).toMatchObject({ Plaintext: plaintext })
      }
    }
  })
})

describe('sealed material', () => {
  const broken = async (
    change: (sql: SqlStorage) => void,
    operation = 'Encrypt',
    input: object = { Plaintext: plaintext },
  ) => {
    const { keyId, stub } = await createKey()
    await runInDurableObject(stub, (_, { storage }) => change(storage.sql))
    await evictDurableObject(stub)
    const errors = vi.spyOn(console, 'error').mockImplementation(() => {})
    const { status, body } = await request(operation, { KeyId: keyId, ...input })
    expect(errors).toHaveBeenCalled()
    return { status, body }
  }

  it('does not open when it is moved from another key', async () => {
    const other = await createKey()
    const sealed = await runInDurableObject(other.stub, (_, { storage }) => [
      ...storage.sql.exec('select * from material').toArray(),
    ])
    const answer = await broken((sql) => {
      const { version_id, key_material_id, sealed: bytes } = sealed[0] as Record<string, SqlStorageValue>
      sql.exec(
        'update material set version_id = ?, key_material_id = ?, sealed = ?',
        version_id,
        key_material_id,
        bytes,
      )
      sql.exec('update kms_key set current_material_id = ?', key_material_id)
    })
    expect(answer).toEqual({ status: 500, body: { __type: 'KMSInternalException' } })
  })

  it.each([
    ['another usage', `update kms_key set usage = 'SIGN_VERIFY'`],
    ['another root version', 'update material set root_version = 2'],
    ['a bit', `update material set sealed = cast(x'00' || substr(sealed, 2) as blob)`],
  ])('does not open under %s', async (_, statement) => {
    const answer = await broken((sql) => sql.exec(statement))
    expect(answer).toEqual({ status: 500, body: { __type: 'KMSInternalException' } })
  })

  it('does not open under another spec', async () => {
    const change = `update kms_key set spec = 'HMAC_256', usage = 'GENERATE_VERIFY_MAC'`
    const input = { Message: plaintext, MacAlgorithm: 'HMAC_SHA_256' }
    const answer = await broken((sql) => sql.exec(change), 'GenerateMac', input)
    expect(answer).toEqual({ status: 500, body: { __type: 'KMSInternalException' } })
  })

  it('of one version does not pass for another version of the same key', async () => {
    const { keyId, key, stub } = await createKey()
    const { CiphertextBlob } = await succeed('Encrypt', { KeyId: keyId, Plaintext: plaintext })
    await key.rotateOnDemand(callBy())
    await runInDurableObject(stub, (_, { storage }) => {
      const [first, second] = storage.sql.exec('select sealed from material order by sequence').toArray()
      storage.sql.exec('update material set sealed = ? where sequence = 1', second?.sealed ?? null)
      storage.sql.exec('update material set sealed = ? where sequence = 2', first?.sealed ?? null)
    })
    vi.spyOn(console, 'error').mockImplementation(() => {})
    testClock.wallMs = 5_001
    expect(await request('Decrypt', { CiphertextBlob })).toMatchObject({ status: 500 })
    expect(await request('Encrypt', { KeyId: keyId, Plaintext: plaintext })).toMatchObject({ status: 500 })
  })
})

describe('an alias', () => {
  const reject = () => Promise.reject(new Error('away'))
  /** A statement of a D1 that does not answer. */
  const away: unknown = { bind: () => away, all: reject, raw: reject, run: reject, first: reject }

  /** The bindings with a D1 that can be taken away. */
  const fragile = () => {
    const state = { isDown: false }
    const DB = new Proxy(env.DB, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        return (...args: unknown[]) => {
          return state.isDown ? away : Reflect.apply(member, target, args)
        }
      },
    })
    return { state, over: { ...env, DB } }
  }

  it('goes on while D1 does not answer, for the stale seconds', async () => {
    const { keyId } = await createKey()
    const { state, over } = fragile()
    const AliasName = `alias/${keyId}`
    await succeed('CreateAlias', { AliasName, TargetKeyId: keyId }, over)
    await succeed('Encrypt', { KeyId: AliasName, Plaintext: plaintext }, over)
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    state.isDown = true
    testClock.wallMs = 299_000
    await succeed('Encrypt', { KeyId: AliasName, Plaintext: plaintext }, over)
    testClock.wallMs = 301_000
    const { body } = await request('Encrypt', { KeyId: AliasName, Plaintext: plaintext }, over)
    expect(body.__type).toBe('DependencyTimeoutException')
    state.isDown = false
    await succeed('Encrypt', { KeyId: AliasName, Plaintext: plaintext }, over)
  })

  it('that was not there a moment ago works as soon as it is', async () => {
    const { keyId } = await createKey()
    const KeyId = `alias/${keyId}`
    expect((await request('Encrypt', { KeyId, Plaintext: plaintext })).body.__type).toBe('NotFoundException')
    // Made elsewhere.
    await succeed('CreateAlias', { AliasName: KeyId, TargetKeyId: keyId }, { ...env })
    await succeed('Encrypt', { KeyId, Plaintext: plaintext })
  })

  it('that points elsewhere by now is followed at once, here', async () => {
    const [first, second] = [await createKey(), await createKey()]
    const AliasName = `alias/${first.keyId}`
    await succeed('CreateAlias', { AliasName, TargetKeyId: first.keyId })
    await succeed('Encrypt', { KeyId: AliasName, Plaintext: plaintext })
    await succeed('UpdateAlias', { AliasName, TargetKeyId: second.keyId })
    const { KeyId } = await succeed('Encrypt', { KeyId: AliasName, Plaintext: plaintext })
    expect(KeyId).toContain(second.keyId)
  })
})
