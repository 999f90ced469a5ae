import { AwsClient } from 'aws4fetch'
import type { TrailHead, TrailName } from '../audit/digest.ts'
import { Stop } from '../local/options.ts'

/** Asks a deployment for the head of a trail, and for its key. Throws `Stop` where it does not tell. */
export async function askHead(
  endpoint: string,
  { account, region }: TrailName,
  env: NodeJS.ProcessEnv,
): Promise<TrailHead> {
  const accessKeyId = env.AWS_ACCESS_KEY_ID || 'test'
  const secretAccessKey = env.AWS_SECRET_ACCESS_KEY || 'test'
  const session = env.AWS_SESSION_TOKEN ? { sessionToken: env.AWS_SESSION_TOKEN } : {}
  const aws = new AwsClient({ accessKeyId, secretAccessKey, ...session, service: 'kms', region, retries: 0 })
  const url = `${endpoint}/audit/head?account=${account}&region=${region}`
  const response = await aws.fetch(url).catch((failure: Error) => {
    throw new Stop(`${endpoint} does not answer: ${failure.cause ?? failure}.`)
  })
  const answer = (await response.json().catch(() => ({}))) as Partial<TrailHead> & { message?: string }
  const { number, publicKey } = answer
  if (response.ok && number !== undefined && publicKey !== undefined) return answer as TrailHead
  const why = answer.message ?? `it answers ${response.status}`
  throw new Stop(`${endpoint} does not tell the head of ${account}/${region}: ${why}`)
}
