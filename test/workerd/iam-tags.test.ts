import { describe, expect, it } from 'vitest'
import { isRefusal } from '../../src/model/errors.ts'
import { env } from '../support/workerd.ts'
import { allow, type Door, newAccount, rowsWith, trust } from './iam-door.ts'

const owners = [
  {
    word: 'User',
    hasCase: false,
    make: (root: Door, Tags: object[]) => root.ok('CreateUser', { UserName: 'it', Tags }),
    naming: () => ({ UserName: 'it' }),
    nobody: () => ({ UserName: 'none' }),
  },
  {
    word: 'Role',
    hasCase: false,
    make: (root: Door, Tags: object[]) =>
      root.ok('CreateRole', { RoleName: 'it', AssumeRolePolicyDocument: trust(root.arn('root')), Tags }),
    naming: () => ({ RoleName: 'it' }),
    nobody: () => ({ RoleName: 'none' }),
  },
  {
    word: 'Policy',
    hasCase: true,
    make: (root: Door, Tags: object[]) =>
      root.ok('CreatePolicy', { PolicyName: 'it', PolicyDocument: allow('kms:*'), Tags }),
    naming: (root: Door) => ({ PolicyArn: root.arn('policy/it') }),
    nobody: (root: Door) => ({ PolicyArn: root.arn('policy/none') }),
  },
  {
    word: 'OpenIDConnectProvider',
    hasCase: true,
    make: (root: Door, Tags: object[]) => root.ok('CreateOpenIDConnectProvider', { Url: 'https://it.test', Tags }),
    naming: (root: Door) => ({ OpenIDConnectProviderArn: root.arn('oidc-provider/it.test') }),
    nobody: (root: Door) => ({ OpenIDConnectProviderArn: root.arn('oidc-provider/none.test') }),
  },
]

const tag = (Key: string, Value = '') => ({ Key, Value })
const tags = (count: number, prefix = 'k') =>
  Array.from({ length: count }, (_, at) => tag(`${prefix}${String(at).padStart(2, '0')}`, 'v'))

describe.each(owners)('tags of a $word', ({ word, hasCase, make, naming, nobody }) => {
  const list = async (root: Door) => (await root.ok(`List${word}Tags`, naming(root))).Tags

  it('are put, listed in pages and removed', async () => {
    const root = newAccount()
    await make(root, [tag('b', '1')])
    expect(
      await root.ask(`Tag${word}`, { ...naming(root), Tags: [tag('a', 'x'), tag('b', '2'), tag('ü/_ ', '')] }),
    ).toBeUndefined()
    expect(await list(root)).toEqual([tag('a', 'x'), tag('b', '2'), tag('ü/_ ', '')])
    const pages = await root.pages(`List${word}Tags`, 'Tags', naming(root))
    expect(pages.map((page) => page.map(({ Key }) => Key))).toEqual([['a', 'b'], ['ü/_ ']])
    expect(await root.ask(`Untag${word}`, { ...naming(root), TagKeys: ['b', 'never'] })).toBeUndefined()
    expect(await list(root)).toEqual([tag('a', 'x'), tag('ü/_ ', '')])
    for (const action of [`Tag${word}`, `Untag${word}`, `List${word}Tags`]) {
      const input = { ...nobody(root), Tags: [tag('a')], TagKeys: ['a'] }
      expect(await root.refused(action, input)).toMatch(/^NoSuchEntity: /)
    }
  })

  it(`${hasCase ? 'have' : 'know no'} case in their keys`, async () => {
    const root = newAccount()
    await make(root, [tag('Team', '1')])
    await root.ok(`Tag${word}`, { ...naming(root), Tags: [tag('TEAM', '2')] })
    expect(await list(root)).toEqual(hasCase ? [tag('TEAM', '2'), tag('Team', '1')] : [tag('TEAM', '2')])
    const twice = await root.ask(`Tag${word}`, { ...naming(root), Tags: [tag('x'), tag('X')] })
    expect(isRefusal(twice)).toBe(!hasCase)
    await root.ok(`Untag${word}`, { ...naming(root), TagKeys: ['team'] })
    expect((await list(root)).filter(({ Key }: { Key: string }) => /team/i.test(Key))).toHaveLength(hasCase ? 2 : 0)
  })

  it('are fifty at most, also when put at once, and all of a request or none', async () => {
    const root = newAccount()
    await make(root, tags(40))
    const put = (Tags: object[]) => root.ask(`Tag${word}`, { ...naming(root), Tags })
    expect(await put(tags(11, 'n'))).toMatchObject({
      refused: 'LimitExceeded',
      message: 'The number of tags has reached the maximum limit.',
    })
    expect(await list(root)).toHaveLength(40)
    const answers = await Promise.all(['a', 'b', 'c'].map((prefix) => put(tags(5, prefix))))
    expect(answers.filter(isRefusal)).toHaveLength(1)
    expect(await put(tags(40))).toBeUndefined()
    expect(await list(root)).toHaveLength(50)
  })

  it.each([
    [[tag('aws:x')], 'InvalidInput'],
    [[tag('x'), tag('x')], 'InvalidInput'],
    [[tag('')], 'ValidationException'],
    [[tag('k'.repeat(129))], 'ValidationException'],
    [[tag('k', 'v'.repeat(257))], 'ValidationException'],
    [[tag('k', '<')], 'ValidationException'],
    [tags(51), 'ValidationException'],
  ])('are not %j', async (Tags, refused) => {
    const root = newAccount()
    await make(root, [])
    expect(await root.ask(`Tag${word}`, { ...naming(root), Tags })).toMatchObject({ refused })
    expect(await list(root)).toEqual([])
  })
})

describe('OpenID Connect providers', () => {
  const thumbprint = '0123456789abcdefABCD0123456789abcdefABCD'

  it('are made, shown, listed, changed and deleted', async () => {
    const root = newAccount()
    const made = await root.ok('CreateOpenIDConnectProvider', {
      Url: 'https://token.test/Path/x',
      ClientIDList: ['sts.amazonaws.com', 'b', 'b'],
      ThumbprintList: [thumbprint],
      Tags: [tag('k', 'v')],
    })
    const OpenIDConnectProviderArn = root.arn('oidc-provider/token.test/Path/x')
    expect(made).toEqual({ OpenIDConnectProviderArn, Tags: [tag('k', 'v')] })
    const named = { OpenIDConnectProviderArn }
    const shown = {
      Url: 'token.test/Path/x',
      ClientIDList: ['sts.amazonaws.com', 'b'],
      ThumbprintList: [thumbprint],
      CreateDate: expect.any(Date),
      Tags: [tag('k', 'v')],
    }
    expect(await root.ok('GetOpenIDConnectProvider', named)).toEqual(shown)
    expect(await root.ok('ListOpenIDConnectProviders')).toEqual({
      OpenIDConnectProviderList: [{ Arn: OpenIDConnectProviderArn }],
    })
    const again = { Url: 'https://token.test/Path/x', Tags: [tag('other', 'x')] }
    expect(await root.refused('CreateOpenIDConnectProvider', again)).toBe(
      'EntityAlreadyExists: Provider with url https://token.test/Path/x already exists.',
    )
    await root.ok('AddClientIDToOpenIDConnectProvider', { ...named, ClientID: 'c"\'' })
    await root.ok('AddClientIDToOpenIDConnectProvider', { ...named, ClientID: 'c"\'' })
    await root.ok('RemoveClientIDFromOpenIDConnectProvider', { ...named, ClientID: 'b' })
    await root.ok('RemoveClientIDFromOpenIDConnectProvider', { ...named, ClientID: 'never' })
    await root.ok('UpdateOpenIDConnectProviderThumbprint', { ...named, ThumbprintList: [] })
    expect(await root.ok('GetOpenIDConnectProvider', named)).toEqual({
      ...shown,
      ClientIDList: ['sts.amazonaws.com', 'c"\''],
      ThumbprintList: [],
    })
    await root.ok('DeleteOpenIDConnectProvider', named)
    expect(await root.refused('GetOpenIDConnectProvider', named)).toBe(
      `NoSuchEntity: OpenIDConnect Provider not found for arn ${OpenIDConnectProviderArn}`,
    )
    expect(await rowsWith('iam_tags', OpenIDConnectProviderArn)).toBe(0)
  })

  it('are of one account', async () => {
    const [root, other] = [newAccount(), newAccount()]
    const named = await root.ok('CreateOpenIDConnectProvider', { Url: 'https://token.test' })
    await other.ok('CreateOpenIDConnectProvider', { Url: 'https://token.test' })
    expect(await other.refused('GetOpenIDConnectProvider', named)).toMatch(/^NoSuchEntity/)
    expect(await other.refused('DeleteOpenIDConnectProvider', named)).toMatch(/^NoSuchEntity/)
    expect((await root.ok('ListOpenIDConnectProviders')).OpenIDConnectProviderList).toHaveLength(1)
  })

  it('are made once when three ask at once, with the tags of the one', async () => {
    const root = newAccount()
    const asked = ['1', '2', '3'].map((value) =>
      root.ask('CreateOpenIDConnectProvider', { Url: 'https://token.test', Tags: [tag('n', value)] }),
    )
    expect((await Promise.all(asked)).filter(isRefusal)).toHaveLength(2)
    const row = await env.DB.prepare('select count(*) as count from iam_tags where owner_id = ?')
      .bind(root.arn('oidc-provider/token.test'))
      .first()
    expect(row?.count).toBe(1)
  })

  it.each([
    [{ Url: 'http://token.test' }, 'InvalidInput', 'Invalid Open ID Connect Provider URL'],
    [{ Url: 'https://token.test?x=1' }, 'InvalidInput', 'Invalid Open ID Connect Provider URL'],
    [{ Url: 'https://token.test/#x' }, 'InvalidInput', 'Invalid Open ID Connect Provider URL'],
    [{ Url: 'https://user@token.test' }, 'InvalidInput', 'Invalid Open ID Connect Provider URL'],
    [{ Url: 'https://token.test:8443/' }, 'InvalidInput', 'Invalid Open ID Connect Provider URL'],
    [{ ThumbprintList: ['x'.repeat(40)] }, 'InvalidInput', 'Thumbprints must be 40 hexadecimal digits.'],
    [{ ThumbprintList: ['a'] }, 'ValidationException', null],
    [
      { ThumbprintList: Array(6).fill(thumbprint) },
      'InvalidInput',
      'Thumbprint list must contain fewer than 5 entries.',
    ],
    [
      { ClientIDList: tags(101).map(({ Key }) => Key) },
      'LimitExceeded',
      'Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100',
    ],
  ])('are not made with %j', async (input, refused, message) => {
    const answer = await newAccount().ask('CreateOpenIDConnectProvider', { Url: 'https://token.test', ...input })
    expect(answer).toMatchObject(message === null ? { refused } : { refused, message })
  })

  it('have a hundred clients at most', async () => {
    const root = newAccount()
    const ClientIDList = tags(99).map(({ Key }) => Key)
    const named = await root.ok('CreateOpenIDConnectProvider', { Url: 'https://token.test', ClientIDList })
    const added = ['x', 'y', 'z'].map((ClientID) =>
      root.ask('AddClientIDToOpenIDConnectProvider', { ...named, ClientID }),
    )
    expect((await Promise.all(added)).filter(isRefusal)).toMatchObject([
      { refused: 'LimitExceeded' },
      { refused: 'LimitExceeded' },
    ])
  })
})
