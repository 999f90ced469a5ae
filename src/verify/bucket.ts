import { AwsClient } from 'aws4fetch'
import { Stop } from '../local/options.ts'
import type { Source } from './source.ts'

const entities: Readonly<Record<string, string>> = { amp: '&', apos: "'", gt: '>', lt: '<', quot: '"' }

/** A bucket, through S3's API as R2 has it. */
export function bucketSource(bucket: string, env: NodeJS.ProcessEnv): Source {
  const { R2_ACCESS_KEY_ID: accessKeyId, R2_SECRET_ACCESS_KEY: secretAccessKey, CLOUDFLARE_ACCOUNT_ID: id } = env
  const endpoint = env.R2_ENDPOINT || (id ? `https://${id}.r2.cloudflarestorage.com` : '')
  if (!accessKeyId || !secretAccessKey || endpoint === '') {
    throw new Stop(
      '--bucket needs R2_ACCESS_KEY_ID, R2_SECRET_ACCESS_KEY (an R2 API token that may read), and CLOUDFLARE_ACCOUNT_ID or R2_ENDPOINT.',
    )
  }
  const aws = new AwsClient({ accessKeyId, secretAccessKey, service: 's3', region: 'auto' })
  const root = `${endpoint.replace(/\/$/, '')}/${bucket}`
  const get = async (url: string) => {
    const response = await aws.fetch(url)
    if (response.ok) return response
    const text = await response.text()
    if (response.status === 404 && !text.includes('NoSuchBucket')) return null
    throw new Stop(`${bucket} answers ${response.status}: ${/<Message>([^<]*)/.exec(text)?.[1] ?? text.slice(0, 200)}`)
  }
  return {
    title: `bucket ${bucket}`,
    async list() {
      const names: string[] = []
      for (let token: string | undefined = ''; token !== undefined; ) {
        const query = new URLSearchParams({ 'list-type': '2', prefix: 'AWSLogs/' })
        if (token !== '') query.set('continuation-token', token)
        const text = (await (await get(`${root}?${query}`))?.text()) ?? ''
        names.push(...[...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = '']) => plain(key)))
        const next = /<NextContinuationToken>([^<]*)</.exec(text)?.[1]
        token = next === undefined ? undefined : plain(next)
      }
      return names
    },
    async read(object) {
      const response = await get(`${root}/${object.split('/').map(encodeURIComponent).join('/')}`)
      return response === null ? null : Buffer.from(await response.arrayBuffer())
    },
  }
}

function plain(xml: string): string {
  return xml.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (all, decimal, hex, name) => {
    if (name !== undefined) return entities[name] ?? all
    return String.fromCodePoint(Number.parseInt(decimal ?? hex, decimal === undefined ? 16 : 10))
  })
}
