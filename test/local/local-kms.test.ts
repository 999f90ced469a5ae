import { build } from 'esbuild'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { afterAll, describe, expect, it } from 'vitest'
import { type LocalKms, localKmsWorker, type Seed, startLocalKms } from '../../src/local/index.ts'
import { createKms } from '../../src/sdk/index.ts'
import { project } from '../support/server.ts'

const KeyId = '11111111-2222-4333-8444-555555555555'
const role = 'arn:aws:iam::000000000000:role/shop'
const allow = (Action: string) => ({
  Version: '2012-10-17',
  Statement: { Effect: 'Allow', Action, Resource: '*' },
})
const seed: Seed = {
  Keys: [
    { KeyId, Aliases: ['alias/app'], Material: Buffer.alloc(32, 7).toString('base64'), Tags: { team: 'shop' } },
    { KeyId: 'mrk-00000000000000000000000000000001', Region: 'eu-west-1', Aliases: ['alias/eu'] },
  ],
  Users: [
    {
      UserName: 'web',
      AccessKeyId: 'AKIAAAAAAAAAAAAAAAAA',
      SecretAccessKey: 'a-secret-of-the-seed',
      Policies: { encrypt: allow('kms:Encrypt') },
    },
  ],
  Roles: [
    {
      RoleName: 'shop',
      AssumeRolePolicyDocument: {
        Version: '2012-10-17',
        Statement: { Effect: 'Allow', Principal: { Service: 'workers.edge-kms' }, Action: 'sts:AssumeRole' },
      },
      Policies: { use: allow('kms:*') },
    },
  ],
}

const running: LocalKms[] = []
afterAll(() => Promise.all(running.map((kms) => kms.stop())))

async function started(...options: Parameters<typeof startLocalKms>) {
  const local = await startLocalKms(...options)
  running.push(local)
  return local
}

describe('startLocalKms', () => {
  it('has what the seed has, and opens in one run what another sealed', async () => {
    const [one, other] = [await started({ seed }), await started({ seed })]
    const [first, second] = [createKms(one), createKms(other)]
    const Plaintext = new TextEncoder().encode('hello')
    const { CiphertextBlob, KeyId: arn } = await first.encrypt({ KeyId: 'alias/app', Plaintext })
    expect(arn).toBe(`arn:aws:kms:us-east-1:000000000000:key/${KeyId}`)
    expect(await second.decrypt({ CiphertextBlob })).toMatchObject({ Plaintext })
    expect(await first.describeKey({ KeyId })).toMatchObject({ KeyMetadata: { Origin: 'EXTERNAL', Enabled: true } })
    expect(await first.listResourceTags({ KeyId })).toMatchObject({ Tags: [{ TagKey: 'team', TagValue: 'shop' }] })
    const europe = createKms({ ...one, region: 'eu-west-1' })
    expect(await europe.describeKey({ KeyId: 'alias/eu' })).toMatchObject({ KeyMetadata: { MultiRegion: true } })
    const credentials = { accessKeyId: 'AKIAAAAAAAAAAAAAAAAA', secretAccessKey: 'a-secret-of-the-seed' }
    const web = createKms({ ...one, credentials })
    expect(await web.encrypt({ KeyId, Plaintext })).toHaveProperty('CiphertextBlob')
    await expect(web.decrypt({ CiphertextBlob })).rejects.toMatchObject({ name: 'AccessDeniedException' })
  })

  it('moves its clock', async () => {
    const local = await started()
    const kms = createKms(local)
    const { KeyMetadata } = await kms.createKey()
    const named = { KeyId: KeyMetadata.KeyId }
    await kms.enableKeyRotation(named)
    await local.advance('366d')
    expect((await kms.listKeyRotations(named)).Rotations).toHaveLength(1)
    await kms.scheduleKeyDeletion(named)
    await local.advance(new Date(Date.now() + 500 * 86_400_000))
    await expect(kms.describeKey(named)).rejects.toMatchObject({ name: 'NotFoundException' })
    await expect(local.advance('yesterday')).rejects.toThrow('"advance" takes a distance')
  })

  it.each([
    [{ Keys: [{ KeyId: 'one' }] }, 'Key one: KeyId is a UUID'],
    [{ Keys: [{ KeyId, Alias: 'alias/a' }] }, 'and no Alias'],
    [{ Keys: [{ KeyId, Material: 'AAAA' }] }, 'ImportKeyMaterial'],
    [{ keys: [] }, 'and no keys'],
    [{ Users: [{ UserName: 'web', AccessKeyId: 'a', SecretAccessKey: 'b' }] }, 'User web: AccessKeyId is AKIA'],
    [{ Roles: [{ RoleName: 'r', AssumeRolePolicyDocument: '{}' }] }, 'CreateRole r'],
  ])('says what is wrong with a seed: %j', async (wrong, sentence) => {
    await expect(startLocalKms({ seed: wrong as Seed })).rejects.toThrow(sentence)
  })

  it('leaves nothing behind', async () => {
    const local = await startLocalKms()
    await local.stop()
    await expect(fetch(local.endpoint)).rejects.toThrow()
  })
})

describe('localKmsWorker', () => {
  it('serves an app by service binding', async () => {
    const bundled = await build({
      stdin: {
        contents: `
          import { createKms } from './src/sdk/index.ts'
          export default {
            async fetch(_request, env) {
              const kms = createKms({ binding: env.KMS })
              const Plaintext = new TextEncoder().encode('hello')
              const { CiphertextBlob, KeyId } = await kms.encrypt({ KeyId: 'alias/app', Plaintext })
              const opened = await kms.decrypt({ CiphertextBlob })
              const denied = await createKms({ binding: env.STRANGER }).listKeys().catch((failure) => failure)
              const unbound = await createKms({ binding: env.WRONG }).listKeys().catch((failure) => failure)
              return Response.json({
                KeyId,
                text: new TextDecoder().decode(opened.Plaintext),
                denied: { name: denied.name, message: denied.message },
                unbound: { name: unbound.name, remedy: unbound.remedy },
              })
            },
          }`,
        resolveDir: project,
        loader: 'ts',
      },
      bundle: true,
      format: 'esm',
      write: false,
      conditions: ['workerd', 'worker', 'browser'],
    })
    const contents = bundled.outputFiles[0]?.text ?? ''
    const app = {
      name: 'app',
      modules: [{ type: 'ESModule', path: 'app.js', contents }],
      compatibilityDate: '2026-11-02',
      serviceBindings: {
        KMS: { name: 'edge-kms', entrypoint: 'Kms', props: { role, app: 'shop' } },
        STRANGER: { name: 'edge-kms', entrypoint: 'Kms' },
        WRONG: { name: 'edge-kms' },
      },
    }
    const workers = [app, await localKmsWorker({ seed })]
    const options = { cf: false, telemetry: { enabled: false }, enableDevRegistry: false, modulesRoot: '.', workers }
    const mf = new Miniflare(convertV4MiniflareOptions(options as never))
    try {
      const response = await mf.dispatchFetch('http://app.test/')
      expect(await response.json()).toEqual({
        KeyId: `arn:aws:kms:us-east-1:000000000000:key/${KeyId}`,
        text: 'hello',
        denied: { name: 'AccessDeniedException', message: expect.stringContaining('name no role') },
        unbound: { name: 'EndpointError', remedy: expect.stringContaining('entrypoint = "Kms"') },
      })
    } finally {
      await mf.dispose()
    }
  })
})
