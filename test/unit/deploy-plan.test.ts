import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { describe, expect, it } from 'vitest'
import { adviceOn, type Facts, type Names, plan as planOf, type Secrets } from '../../src/deploy/plan.ts'
import { Stop } from '../../src/local/options.ts'

const keyOf = (byte: number) => Buffer.alloc(32, byte).toString('base64')
const secrets = {
  ROOT_KEYS: `1:${keyOf(1)} 2:${keyOf(2)}`,
  ROOT_CREDENTIALS: '111122223333:AKIDMINE:s3cret:with/colon',
} satisfies Secrets
const names: Names = { database: 'edge-kms', queues: ['jobs', 'jobs-dead'], buckets: ['trail'] }
const fresh = { databases: ['another'], queues: ['another'], buckets: [], secretNames: [] }
const deployed = {
  databases: ['another', 'edge-kms'],
  queues: ['jobs-dead', 'jobs'],
  buckets: ['trail'],
  secretNames: ['ROOT_KEYS', 'ROOT_CREDENTIALS'],
}

type Given = Omit<Facts, 'names'>
const plan = (facts: Given) => planOf({ names, ...facts })
const commands = (facts: Given) => plan(facts).map(({ args }) => args.slice(0, 4).join(' '))
const database = 'd1 create edge-kms'
const queues = ['queues create jobs', 'queues create jobs-dead']
const bucket = 'r2 bucket create trail'
const create = [database, ...queues, bucket]
const migrate = 'd1 migrations apply edge-kms'
const compare = 'd1 execute edge-kms --remote'

describe('steps', () => {
  it.each<[string, Given, string[]]>([
    ['a fresh account', { secrets, cloud: fresh }, [...create, migrate, compare, 'deploy']],
    ['Cloudflare not asked', { secrets, cloud: null }, [...create, migrate, compare, 'deploy']],
    ['a deployment, with secrets', { secrets, cloud: deployed }, [migrate, compare, 'deploy']],
    ['a deployment, without secrets', { secrets: {}, cloud: deployed }, [migrate, 'deploy']],
    [
      'a database that a failed deploy left',
      { secrets, cloud: { ...fresh, databases: ['edge-kms'] } },
      [...queues, bucket, migrate, compare, 'deploy'],
    ],
    [
      'a deployment that lacks a queue and the bucket',
      { secrets: {}, cloud: { ...deployed, queues: ['jobs'], buckets: ['trail-2'] } },
      ['queues create jobs-dead', bucket, migrate, 'deploy'],
    ],
  ])('of %s', (_, facts, steps) => {
    expect(commands(facts)).toEqual(steps)
  })

  it('say what is created, and only where Cloudflare was asked that it is', () => {
    const said = (cloud: Given['cloud']) => plan({ secrets, cloud }).map(({ sentence }) => sentence)
    expect(said(fresh).slice(0, 4)).toEqual([
      'Create the D1 database edge-kms.',
      'Create the queue jobs.',
      'Create the queue jobs-dead.',
      'Create the R2 bucket trail.',
    ])
    for (const sentence of said(null).slice(0, 4)) expect(sentence).toMatch(/ if it is missing\.$/)
  })

  it.each([
    ['queues', "Queue name 'jobs' is already taken. Please use a different name and try again. [code: 11009]", true],
    ['queues', 'Queue name is invalid. [code: 11003]', false],
    ['r2', 'The bucket you tried to create already exists, and you own it. [code: 10004]', true],
    ['r2', 'The specified bucket name is not valid. [code: 10005]', false],
  ])('of %s are done where Cloudflare answers %j: %s', (command, complaint, isDone) => {
    const { already } = plan({ secrets, cloud: fresh }).find(({ args }) => args[0] === command) ?? {}
    expect(already?.test(complaint)).toBe(isDone)
  })

  it('are of the remote database', () => {
    for (const { args } of plan({ secrets, cloud: fresh })) {
      if (args[0] === 'd1' && args[1] !== 'create') expect(args).toContain('--remote')
    }
  })

  it.each<[Secrets, Secrets | undefined, string]>([
    [secrets, secrets, 'ROOT_KEYS from the environment and ROOT_CREDENTIALS from the environment.'],
    [{ ...secrets, ROOT_KEYS: ' ' }, { ROOT_CREDENTIALS: secrets.ROOT_CREDENTIALS }, 'ROOT_KEYS as the Worker has it'],
    [{ ROOT_KEYS: secrets.ROOT_KEYS }, { ROOT_KEYS: secrets.ROOT_KEYS }, 'ROOT_CREDENTIALS as the Worker has it'],
    [{}, undefined, 'ROOT_KEYS as the Worker has it and ROOT_CREDENTIALS as the Worker has it.'],
  ])('set what the environment has, case %#', (given, secretsFile, sentence) => {
    const last = plan({ secrets: given, cloud: deployed }).at(-1)
    expect(last?.secretsFile).toEqual(secretsFile)
    expect(last?.sentence).toContain(sentence)
  })

  it('name no secret in a sentence or an argument', () => {
    const said = JSON.stringify(plan({ secrets, cloud: fresh }).map(({ sentence, args }) => ({ sentence, args })))
    for (const secret of [keyOf(1), keyOf(2), 's3cret', 'AKIDMINE']) expect(said).not.toContain(secret)
  })
})

const example = parseEnv(readFileSync(join(import.meta.dirname, '../../.dev.vars.example'), 'utf8')) as Secrets

describe('refusals', () => {
  it.each<[Secrets, RegExp]>([
    [{ ...secrets, ROOT_KEYS: '' }, /^ROOT_KEYS is set neither .*\. Set it: export ROOT_KEYS="1:\$\(head/],
    [{ ROOT_KEYS: secrets.ROOT_KEYS }, /^ROOT_CREDENTIALS is set neither .*\. Set it: export ROOT_CREDENTIALS=/],
    [{}, /^ROOT_KEYS is set neither/],
  ])('say what is missing on a fresh account, case %#', (given, sentence) => {
    expect(() => plan({ secrets: given, cloud: fresh })).toThrow(sentence)
    expect(() => plan({ secrets: given, cloud: null })).not.toThrow()
  })

  it.each([
    [keyOf(1), 1],
    [`0:${keyOf(1)}`, 1],
    [`01:${keyOf(1)}`, 1],
    [`1:${keyOf(1)} 2`, 2],
    [`1:${keyOf(1)} 2:${keyOf(2).slice(0, -1)}`, 2],
    [`1:${keyOf(1).replace('E', '-')}`, 1],
    [`1:${Buffer.alloc(31, 7).toString('base64')}`, 1],
    [`1:${Buffer.alloc(33, 7).toString('base64')}`, 1],
    // Bits behind the 32nd byte: the Worker refuses them.
    [`1:${keyOf(1).slice(0, -2)}F=`, 1],
  ])('of root keys that the Worker would not read, case %#', (ROOT_KEYS, entry) => {
    expect(refusalOf({ ...secrets, ROOT_KEYS })).toMatch(
      `ROOT_KEYS is malformed: entry ${entry} is not VERSION:BASE64 with 32 bytes`,
    )
  })

  it.each<[Partial<Secrets>, string]>([
    [{ ROOT_KEYS: `1:${keyOf(1)} 1:${keyOf(2)}` }, 'version 1 is there twice'],
    [{ ROOT_CREDENTIALS: '1111:AKIDMINE:s3cret' }, 'ROOT_CREDENTIALS is malformed: entry 1'],
    [{ ROOT_CREDENTIALS: '111122223333:AKIDMINE' }, 'ROOT_CREDENTIALS is malformed: entry 1'],
    [{ ROOT_CREDENTIALS: `${secrets.ROOT_CREDENTIALS} 444455556666:AKIDMINE:s3cret` }, 'entry 2 repeats'],
    [{ ROOT_KEYS: example.ROOT_KEYS ?? '' }, 'Entry 1 of ROOT_KEYS is the example of .dev.vars.example'],
    [{ ROOT_KEYS: `1:${keyOf(1)} 2:${keyOf(0)}` }, 'Entry 2 of ROOT_KEYS is the example'],
    [{ ROOT_CREDENTIALS: example.ROOT_CREDENTIALS ?? '' }, 'ROOT_CREDENTIALS has an example'],
    [{ ROOT_CREDENTIALS: `${secrets.ROOT_CREDENTIALS} 000000000000:test:test` }, 'ROOT_CREDENTIALS has an example'],
  ])('of what is not to be deployed, case %#', (change, sentence) => {
    expect(refusalOf({ ...secrets, ...change })).toContain(sentence)
  })
})

/** Said alike whether or not Cloudflare was asked, and with no value in it. */
function refusalOf(given: Secrets): string {
  const said = [null, fresh, deployed].map((cloud) => {
    try {
      plan({ secrets: given, cloud })
    } catch (failure) {
      if (failure instanceof Stop) return failure.message
      throw failure
    }
    throw new Error('It was planned')
  })
  expect(new Set(said).size).toBe(1)
  const [sentence = ''] = said
  const values = [given.ROOT_KEYS, given.ROOT_CREDENTIALS].flatMap((text) => text?.split(/[\s:]+/) ?? [])
  for (const value of values) if (value.length > 12) expect(sentence).not.toContain(value)
  expect(sentence).not.toContain('s3cret')
  return sentence
}

describe('the root keys of a deployment', () => {
  const check = plan({ secrets, cloud: deployed }).find((step) => step.check !== undefined)?.check
  const rows = (results: unknown[]) => check?.(JSON.stringify([{ results, success: true }]))
  // What RootKeys.checkValue in src/crypto says of keyOf(1).
  const own = '293971917b302518'

  it.each([
    [[]],
    [[{ version: 1, checkValue: own, retiredAt: null }]],
    [[{ version: 7, checkValue: '0011223344556677', retiredAt: 1 }]],
  ])('may be its own and new ones, case %#', (stored) => {
    expect(() => rows(stored)).not.toThrow()
  })

  it.each([
    [[{ version: 1, checkValue: '0011223344556677', retiredAt: null }], 'ROOT_KEYS has another version 1,'],
    [
      [
        { version: 1, checkValue: own, retiredAt: null },
        { version: 3, checkValue: own, retiredAt: null },
      ],
      'ROOT_KEYS lacks version 3,',
    ],
    [[{ version: 1, checkValue: '0011223344556677', retiredAt: 1 }], 'ROOT_KEYS has another version 1,'],
    [[{ version: 2, checkValue: own, retiredAt: 1 }], 'Version 2 of ROOT_KEYS was retired'],
  ])('may not be others or fewer, case %#', (stored, sentence) => {
    expect(() => rows(stored)).toThrow(sentence)
  })
})

describe('advice', () => {
  it.each([
    [
      ['r2', 'bucket', 'list'],
      'Please enable R2 through the Cloudflare Dashboard. [code: 10042]',
      /^R2 has to be enabled/,
    ],
    [['deploy'], 'Something else. [code: 10042]', /^$/],
    [['queues', 'list'], 'Authentication error [code: 10000]', /^The token may lack a permission/],
    [['queues', 'list'], 'Too many requests. [code: 971]', /^$/],
  ])('on %j that failed with %j', (args, complaint, sentence) => {
    expect(adviceOn(args, complaint)).toMatch(sentence)
  })
})
