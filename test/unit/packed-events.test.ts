import fc from 'fast-check'
import { expect, it } from 'vitest'
import { packEvents } from '../../src/audit/batch.ts'
import { EventIds } from '../../src/audit/event-ids.ts'
import { expandBatch } from '../../src/audit/unpack.ts'
import { type AuditEvent, eventTimeOf } from '../../src/model/audit-event.ts'

const ids = new EventIds()
const newId = () => {
  if (Math.random() < 0.1) ids.renew()
  return ids.next()
}
const id = fc.oneof(fc.nat().map(newId), fc.uuid(), fc.string())
const text = fc.oneof(fc.constantFrom('a', 'b', 'ü€😀"\\\u2028', '__proto__'), fc.string({ unit: 'binary' }))
// As JSON has them: nothing is -0 or beyond.
const json = fc.dictionary(text, fc.jsonValue(), { maxKeys: 3 }).map((value) => JSON.parse(JSON.stringify(value)))
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
const few = <T>(...values: T[]) => fc.constantFrom(...values)

/** In CloudTrail's order, and nothing where there is nothing. */
const event: fc.Arbitrary<AuditEvent> = fc
  .record({
    eventVersion: fc.constant('1.11' as const),
    userIdentity: fc.oneof(few({ type: 'Root', principalId: '1' }), json),
    eventTime: fc.integer({ min: 0, max: 4e9 }).map((seconds) => eventTimeOf(seconds * 1000)),
    eventSource: few('kms.amazonaws.com', 'sts.amazonaws.com'),
    eventName: few('Encrypt', 'Decrypt'),
    awsRegion: few('us-east-1', 'eu-west-1'),
    sourceIPAddress: few('203.0.113.10', '203.0.113.11'),
    userAgent: text,
    errorCode: maybe(few('AccessDenied')),
    errorMessage: maybe(text),
    requestParameters: fc.option(json),
    responseElements: fc.option(json),
    additionalEventData: maybe(few<Record<string, unknown>>({ decidedBy: ['a', 'b'] }, { decidedBy: 'a' })),
    serviceEventDetails: maybe(json),
    requestID: fc.oneof(fc.uuid(), text),
    eventID: id,
    readOnly: fc.boolean(),
    resources: maybe(fc.array(fc.record({ accountId: few('1', '2'), type: text, ARN: few('one', 'two') }))),
    eventType: fc.constant('AwsApiCall' as const),
    managementEvent: fc.constant(true as const),
    recipientAccountId: few('111122223333', '444455556666'),
    sharedEventID: maybe(id),
    eventCategory: fc.constant('Management' as const),
  })
  .map((made) => JSON.parse(JSON.stringify(made)) as AuditEvent)

it('events are the same again, to the order of their members, in messages of one trail each', () => {
  fc.assert(
    fc.property(fc.array(event, { minLength: 1, maxLength: 40 }), (events) => {
      const messages = packEvents(events).map(expandBatch)
      const trail = ({ recipientAccountId, awsRegion }: AuditEvent) => `${recipientAccountId}/${awsRegion}`
      const expected = [...Map.groupBy(events, trail).values()].flat().map((one) => JSON.stringify(one))
      expect(messages.flat().map((one) => JSON.stringify(one))).toEqual(expected)
      for (const message of messages) expect(new Set(message.map(trail)).size).toBe(1)
    }),
  )
})

it('a message has what events share once, and neither it nor its records are beyond measure', () => {
  const [base] = fc.sample(event, 1) as [AuditEvent]
  const many = (count: number, change: (at: number) => Partial<AuditEvent>) =>
    Array.from({ length: count }, (_, at) => ({
      ...base,
      requestID: crypto.randomUUID(),
      eventID: newId(),
      ...change(at),
    }))
  expect((packEvents(many(1000, () => ({})))[0] as string).length / 1000).toBeLessThan(110)
  const large = { context: 'é'.repeat(5_000) }
  const same = packEvents(many(2000, () => ({ requestParameters: large })))
  expect(same.length).toBeGreaterThan(1)
  for (const message of same) expect(JSON.stringify(expandBatch(message)).length).toBeLessThan(5e6)
  const different = packEvents(many(100, (at) => ({ requestParameters: { ...large, at } })))
  for (const message of different) expect(new TextEncoder().encode(message).length).toBeLessThan(128_000)
})

it('event ids are UUIDs of version 8, begin alike until they are renewed, and are never the same', () => {
  const drawn = new EventIds()
  const [one, other] = [drawn.next(), drawn.next()]
  drawn.renew()
  const later = drawn.next()
  for (const made of [one, other, later])
    expect(made).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(EventIds.prefixOf(one)).toBe(EventIds.prefixOf(other))
  expect(EventIds.prefixOf(later)).not.toBe(EventIds.prefixOf(one))
  expect(new Set([one, other, later]).size).toBe(3)
})
