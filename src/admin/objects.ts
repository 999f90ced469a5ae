import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Stop } from '../local/options.ts'

/** The ids of all objects of a class there are, sorted: from where they are stored, never from the index. */
export type Enumerate = (className: string) => Promise<string[]>

/** As wrangler.toml has it. */
const script = 'edge-kms'

/** The objects of a local server: a file each in its state folder. */
export function objectsInFolder(state: string): Enumerate {
  const storage = join(resolve(state), 'storage')
  if (!existsSync(storage)) {
    throw new Stop(`${resolve(state)} is not the state folder of a local server. Give the server's own with --state.`)
  }
  return async (className) => {
    const folder = join(storage, 'do', `${script}-${className}`)
    const files = existsSync(folder) ? readdirSync(folder) : []
    return files.flatMap((file) => /^([0-9a-f]{64})\.sqlite$/.exec(file)?.[1] ?? []).sort()
  }
}

interface Listing<Row> {
  readonly success?: boolean
  readonly errors?: readonly { readonly message: string }[]
  readonly result: readonly Row[]
  readonly result_info?: {
    readonly cursor?: string
    readonly cursors?: { readonly after?: string }
    readonly page?: number
    readonly total_pages?: number
  }
}

/**
 * The objects of a deployment, by Cloudflare's API. Not yet proven in the field: run against a stand-in alone.
 * An object that Cloudflare says has no stored data is listed, too: it is asked like the others.
 */
export function objectsAtCloudflare(env: NodeJS.ProcessEnv): Enumerate {
  const { CLOUDFLARE_API_TOKEN: token, CLOUDFLARE_ACCOUNT_ID: account } = env
  if (!token || !account) {
    throw new Stop(
      'CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID are not set, and the objects of a deployment are enumerated with them. For a local server, give its --state.',
    )
  }
  const base = `${env.CLOUDFLARE_API_BASE_URL || 'https://api.cloudflare.com/client/v4'}/accounts/${account}/workers/durable_objects/namespaces`
  const ask = async <Row>(path: string): Promise<Listing<Row>> => {
    const response = await fetch(`${base}${path}`, { headers: { authorization: `Bearer ${token}` } })
    const listing = (await response.json().catch(() => ({ result: [] }))) as Listing<Row>
    if (response.ok && listing.success !== false) return listing
    const why = listing.errors?.map(({ message }) => message).join(' ') || response.status
    throw new Stop(`Cloudflare does not list the objects: ${why}. The token needs Workers Scripts Read.`)
  }
  return async (className) => {
    const namespaces: { id: string; script: string; class: string }[] = []
    for (let page = 1, pages = 1; page <= pages; page++) {
      const listing = await ask<(typeof namespaces)[number]>(`?page=${page}&per_page=100`)
      namespaces.push(...listing.result)
      pages = listing.result_info?.total_pages ?? 1
    }
    const namespace = namespaces.find((known) => known.script === script && known.class === className)
    if (namespace === undefined) throw new Stop(`The account has no namespace ${className} of a Worker ${script}.`)
    const ids: string[] = []
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
      const query: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const { result, result_info } = await ask<{ id: string }>(`/${namespace.id}/objects?limit=1000${query}`)
      ids.push(...result.map(({ id }) => id))
      cursor = result_info?.cursors?.after || result_info?.cursor || undefined
    }
    return ids.sort()
  }
}
