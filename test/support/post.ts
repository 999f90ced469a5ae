import { AwsClient } from 'aws4fetch'

export interface PostAnswer {
  readonly status: number
  readonly requestId: string
  readonly text: string
}

/** A request signed with a server's default credentials, sent once. */
export async function signedPost(url: string, service: string, type: string, body: string): Promise<PostAnswer> {
  const aws = new AwsClient({ accessKeyId: 'test', secretAccessKey: 'test', service, region: 'us-east-1', retries: 0 })
  const answer = await aws.fetch(url, { method: 'POST', headers: { 'content-type': type }, body })
  return { status: answer.status, requestId: answer.headers.get('x-amzn-requestid') ?? '', text: await answer.text() }
}

export function askIam(endpoint: string, Action: string, input: Readonly<Record<string, string>>): Promise<PostAnswer> {
  const body = String(new URLSearchParams({ Action, Version: '2010-05-08', ...input }))
  return signedPost(`${endpoint}/`, 'iam', 'application/x-www-form-urlencoded', body)
}

export function moveClock(endpoint: string, advance: string): Promise<PostAnswer> {
  return signedPost(`${endpoint}/local/clock`, 'kms', 'application/json', JSON.stringify({ advance }))
}

/** Throws where it was refused. */
export async function acknowledged(asked: Promise<PostAnswer>): Promise<PostAnswer> {
  const answer = await asked
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`)
  return answer
}
