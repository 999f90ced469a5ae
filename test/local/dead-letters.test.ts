import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { CreateKeyCommand } from '@aws-sdk/client-kms'
import { expect, it } from 'vitest'
import { kmsClient, openIndex, project, startKms, temporaryState } from '../support/server.ts'

/** `npm run dead-letters`, as an operator runs it. */
async function deadLetters(endpoint: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(
    process.execPath,
    [join(project, 'src/admin/main.ts'), 'dead-letters', ...args, '--endpoint', endpoint],
    { cwd: project, env: { PATH: process.env.PATH, ...env } },
  )
  const code = new Promise<number | null>((resolve) => child.once('close', resolve))
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { stdout, stderr, code: await code }
}

it('are shown, put back on their queue, and dropped by an operator', async () => {
  const state = temporaryState()
  const kms = await startKms(['--state', state])
  const client = kmsClient(kms.endpoint)
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  const keyId = KeyMetadata?.KeyId ?? ''
  const index = openIndex(state)
  const letter = index.prepare('insert into dead_letters values (?, ?, ?, ?, ?)')
  const keys = [{ account: '000000000000', region: 'us-east-1', keyId }]
  letter.run('good', 'edge-kms-lifecycle', 1, JSON.stringify({ v: 1, keys }), 'given up')
  letter.run('bad', 'edge-kms-audit', 2, JSON.stringify('rubbish'), 'it has no version')
  const ids = () =>
    index
      .prepare('select message_id from dead_letters')
      .all()
      .map((row) => String(row.message_id))

  const listed = await deadLetters(kms.endpoint, ['list'])
  expect(listed).toMatchObject({ stderr: '', code: 0 })
  expect(listed.stdout).toMatch(
    /^good 1970-\S+ edge-kms-lifecycle: given up\n {2}\{"v":1.*\nbad .*\n.*\n2 shown, 2 there now\.\n$/,
  )

  const replayed = await deadLetters(kms.endpoint, ['replay'])
  expect(replayed.stdout).toMatch(/^2 put back on their queues, \d there now\.\n$/)
  // What can be dealt with is; what cannot is a letter again, under the id of its new message.
  await expect.poll(ids, { timeout: 20_000 }).toHaveLength(1)
  const [again = ''] = ids()
  expect(['good', 'bad']).not.toContain(again)

  expect((await deadLetters(kms.endpoint, ['drop', again])).stdout).toBe('1 dropped, 0 there now.\n')
  expect((await deadLetters(kms.endpoint, ['drop', again])).stdout).toBe('0 dropped, 0 there now.\n')
  expect(await deadLetters(kms.endpoint, ['burn'])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^Say what to do: /),
  })
  expect(
    await deadLetters(kms.endpoint, ['list'], { AWS_SECRET_ACCESS_KEY: 'wrong', AWS_ACCESS_KEY_ID: 'test' }),
  ).toMatchObject({ code: 1 })
  index.close()
  expect(await kms.stop()).toBe(0)
})
