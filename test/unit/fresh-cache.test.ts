import { describe, expect, it } from 'vitest'
import { refuse } from '../../src/model/errors.ts'
import { FreshCache } from '../../src/model/fresh-cache.ts'

interface Versioned {
  readonly revision: number
}

function cacheOf(options: { freshMs?: number; staleMs?: number; weightMax?: number } = {}) {
  const cache = new FreshCache<Versioned>({
    freshMs: 1000,
    staleMs: 0,
    weightMax: 10,
    isOlder: (candidate, held) => candidate.revision < held.revision,
    ...options,
  })
  const background: Promise<unknown>[] = []
  let loads = 0
  let next: () => Promise<Versioned | ReturnType<typeof refuse>> = async () => ({ revision: 1 })
  return {
    cache,
    background,
    loads: () => loads,
    willLoad: (load: typeof next) => {
      next = load
    },
    get: (at: number, name = 'key') =>
      cache.get(
        name,
        at,
        () => {
          loads++
          return next()
        },
        (promise) => background.push(promise),
      ),
  }
}

describe('a fresh value', () => {
  it('answers without a promise', async () => {
    const { get, loads } = cacheOf()
    await get(0)
    expect(get(499)).toEqual({ revision: 1 })
    expect(loads()).toBe(1)
  })

  it('is refreshed past half its age while it still answers, once', async () => {
    const { get, loads, willLoad, background } = cacheOf()
    await get(0)
    willLoad(async () => ({ revision: 2 }))
    expect(get(500)).toEqual({ revision: 1 })
    expect(get(501)).toEqual({ revision: 1 })
    expect(loads()).toBe(2)
    await Promise.all(background)
    expect(get(502)).toEqual({ revision: 2 })
  })

  it('is not used past its age', async () => {
    const { get, willLoad } = cacheOf()
    await get(0)
    willLoad(async () => ({ revision: 2 }))
    expect(get(1000)).toBeInstanceOf(Promise)
    expect(await get(1000)).toEqual({ revision: 2 })
  })

  it('is refreshed again after a refresh that failed', async () => {
    const { get, loads, willLoad, background } = cacheOf()
    await get(0)
    willLoad(() => Promise.reject(new Error('away')))
    get(500)
    await Promise.all(background)
    get(600)
    expect(loads()).toBe(3)
  })
})

describe('a miss', () => {
  it('is shared by all who miss at once', async () => {
    const { get, loads } = cacheOf()
    expect(await Promise.all([get(0), get(0), get(0)])).toEqual([{ revision: 1 }, { revision: 1 }, { revision: 1 }])
    expect(loads()).toBe(1)
  })

  it('that is refused is never remembered', async () => {
    const { get, loads, willLoad } = cacheOf()
    willLoad(async () => refuse('NotFoundException', 'gone'))
    expect(await get(0)).toMatchObject({ refused: 'NotFoundException' })
    expect(await get(0)).toMatchObject({ refused: 'NotFoundException' })
    expect(loads()).toBe(2)
  })

  it('that is refused ends what was held', async () => {
    const { get, willLoad, background } = cacheOf()
    await get(0)
    willLoad(async () => refuse('NotFoundException', 'gone'))
    get(500)
    await Promise.all(background)
    expect(await get(501)).toMatchObject({ refused: 'NotFoundException' })
  })

  it('throws what the load throws', async () => {
    const { get, willLoad } = cacheOf()
    willLoad(() => Promise.reject(new Error('away')))
    await expect(get(0)).rejects.toThrow('away')
  })
})

describe('a kept value', () => {
  it('replaces an older one and never a newer one', async () => {
    const { cache, get } = cacheOf()
    cache.keep('key', { revision: 5 }, 0)
    cache.keep('key', { revision: 4 }, 1)
    expect(get(2)).toEqual({ revision: 5 })
    cache.keep('key', { revision: 6 }, 3)
    expect(get(4)).toEqual({ revision: 6 })
  })

  it('wins over a load that began before it', async () => {
    const { cache, get, willLoad } = cacheOf()
    let finish = (_: Versioned) => {}
    willLoad(() => new Promise((resolve) => (finish = resolve)))
    const loading = get(0)
    cache.keep('key', { revision: 2 }, 0)
    finish({ revision: 1 })
    expect(await loading).toEqual({ revision: 2 })
    expect(get(1)).toEqual({ revision: 2 })
  })

  it('is forgotten together with a load under way', async () => {
    const { cache, get, willLoad, loads } = cacheOf()
    let finish = (_: Versioned) => {}
    willLoad(() => new Promise((resolve) => (finish = resolve)))
    const loading = get(0)
    cache.forget('key')
    finish({ revision: 1 })
    await loading
    willLoad(async () => ({ revision: 2 }))
    expect(await get(1)).toEqual({ revision: 2 })
    expect(loads()).toBe(2)
  })
})

describe('bounds', () => {
  it('hold: what was used least lately goes first', async () => {
    const { get, loads } = cacheOf({ weightMax: 2 })
    for (const name of ['a', 'b', 'c']) await get(0, name)
    await get(1, 'b')
    expect(loads()).toBe(3)
    await get(1, 'a')
    expect(loads()).toBe(4)
  })

  it('of 0 seconds remember nothing, not even a load under way', async () => {
    const { get, loads } = cacheOf({ freshMs: 0 })
    await Promise.all([get(0), get(0)])
    expect(loads()).toBe(2)
  })
})

describe('while the source is away', () => {
  it('what was held serves for the stale seconds, and no longer', async () => {
    const { get, willLoad } = cacheOf({ staleMs: 5000 })
    await get(0)
    willLoad(() => Promise.reject(new Error('away')))
    expect(await get(4999)).toEqual({ revision: 1 })
    await expect(get(5000)).rejects.toThrow('away')
  })
})

describe('a doubted value', () => {
  it('is read again before it is used, by whoever asks first', async () => {
    const { cache, get, loads, willLoad } = cacheOf()
    await get(0)
    cache.doubtAll()
    willLoad(async () => ({ revision: 2 }))
    expect(await get(1)).toEqual({ revision: 2 })
    expect(get(2)).toEqual({ revision: 2 })
    expect(loads()).toBe(2)
  })

  it('serves on while it cannot be read, for the stale seconds', async () => {
    const { cache, get, willLoad } = cacheOf({ staleMs: 3000 })
    await get(0)
    cache.doubtAll()
    willLoad(() => Promise.reject(new Error('away')))
    expect(await get(1)).toEqual({ revision: 1 })
    await expect(get(3000)).rejects.toThrow('away')
  })

  it('ends where it is refused', async () => {
    const { cache, get, willLoad } = cacheOf({ staleMs: 3000 })
    await get(0)
    cache.doubtAll()
    willLoad(async () => refuse('NotFoundException', 'gone'))
    expect(await get(1)).toMatchObject({ refused: 'NotFoundException' })
    willLoad(() => Promise.reject(new Error('away')))
    await expect(get(2)).rejects.toThrow('away')
  })

  it('is not what a load found that began before', async () => {
    const { cache, get, willLoad } = cacheOf()
    await get(0)
    const { promise, resolve } = Promise.withResolvers<Versioned>()
    willLoad(() => promise)
    get(500)
    cache.doubtAll()
    resolve({ revision: 2 })
    await promise
    willLoad(async () => ({ revision: 3 }))
    expect(await get(501)).toEqual({ revision: 3 })
  })
})
