import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { CreateKeyCommand, RotateKeyOnDemandCommand } from '@aws-sdk/client-kms'
import { expect, it } from 'vitest'
import { buildWorker } from '../../src/local/build.ts'
import { migrate } from '../../src/local/migrate.ts'
import { migrations } from '../../src/local/parts.ts'
import { freePort } from '../../src/local/ports.ts'
import { startWorkerd } from '../../src/local/server.ts'
import { blocks } from '../support/docs.ts'
import { kmsClient, project, temporaryState } from '../support/server.ts'

it('reach a webhook by the example, which does not give up', async () => {
  const state = temporaryState()
  const received: { id: string; key: string; body: { id: string; detail: object } }[] = []
  const receiver = createServer(async (request, response) => {
    const body = JSON.parse(await text(request))
    received.push({ id: body.id, key: String(request.headers['idempotency-key']), body })
    // The first of each is not taken.
    response.writeHead(received.filter(({ id }) => id === body.id).length === 1 ? 503 : 204).end()
  }).listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  const webhook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`
  const host = '127.0.0.1'
  const [port, examplePort, controlPort] = [await freePort(host, 0), await freePort(host, 0), await freePort(host, 0)]
  const bundles = { kms: join(state, 'kms.js'), example: join(state, 'example.js') }
  await buildWorker(join(project, 'src/worker.ts'), bundles.kms)
  await buildWorker(join(project, 'examples/key-events/worker.ts'), bundles.example)
  const bindings = { ROOT_KEYS: `1:${'A'.repeat(43)}=`, ROOT_CREDENTIALS: '000000000000:test:test' }
  const mf = startWorkerd(join(state, 'storage'), controlPort, [
    { name: 'edge-kms', bundle: bundles.kms, host, port, bindings },
    {
      name: 'key-events',
      bundle: bundles.example,
      host,
      port: examplePort,
      config: join(project, 'examples/key-events/wrangler.toml'),
      bindings: { WEBHOOK_URL: webhook },
    },
  ])
  try {
    await mf.ready
    await migrate((await mf.getD1Database('DB', 'edge-kms')) as never, migrations())
    const client = kmsClient(`http://${host}:${port}`)
    const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
    await client.send(new RotateKeyOnDemandCommand({ KeyId: KeyMetadata?.KeyId }))
    await expect.poll(() => received.length, { timeout: 20_000 }).toBe(2)
    const [first, second] = received
    expect(second).toEqual(first)
    expect(first?.key).toBe(first?.id)
    expect(first?.body).toMatchObject({
      version: '0',
      'detail-type': 'KMS CMK Rotation',
      source: 'aws.kms',
      account: '000000000000',
      region: 'us-east-1',
      resources: [KeyMetadata?.Arn],
      detail: { 'key-id': KeyMetadata?.KeyId },
    })
    const [shown = ''] = blocks('events.md', 'json')
    expect(Object.keys(first?.body ?? {})).toEqual(Object.keys(JSON.parse(shown)))
  } finally {
    await mf.dispose()
    receiver.close()
  }
})
