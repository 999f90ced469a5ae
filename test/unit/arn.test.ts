import { expect, it } from 'vitest'
import { parseKeyName } from '../../src/model/arn.ts'

const uuid = '1234abcd-12ab-34cd-56ef-1234567890ab'
const mrk = 'mrk-1234abcd12ab34cd56ef1234567890ab'

it.each([
  [uuid, { form: 'key', keyId: uuid }],
  [mrk, { form: 'key', keyId: mrk }],
  ['alias/app', { form: 'alias', aliasName: 'alias/app' }],
  [
    `arn:aws:kms:eu-west-1:111122223333:key/${uuid}`,
    { form: 'keyArn', region: 'eu-west-1', account: '111122223333', keyId: uuid },
  ],
  [
    'arn:aws:kms:eu-west-1:111122223333:alias/a:b/c',
    { form: 'aliasArn', region: 'eu-west-1', account: '111122223333', aliasName: 'alias/a:b/c' },
  ],
  ['fake', null],
  [uuid.toUpperCase(), null],
  [`${uuid} `, null],
  [`${uuid}\n`, null],
  ['mrk-1234', null],
  ['arn:aws:s3:::bucket', null],
  [`arn:aws:kms:eu-west-1:1111:key/${uuid}`, null],
  ['arn:aws:kms:eu-west-1:111122223333:key/fake', null],
  [`arn:aws:kms::111122223333:key/${uuid}`, null],
  ['', null],
])('%j names %j', (text, name) => {
  expect(parseKeyName(text)).toEqual(name)
})
