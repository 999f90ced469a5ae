import { type CommonPart, type EventAttribute, userNameOf } from '../model/audit-event.ts'
import type { PackedEvent } from './batch.ts'
import { EventIds } from './event-ids.ts'
import type { EventBatch } from './unpack.ts'

const valuesOf: Readonly<Record<Exclude<EventAttribute, 'EventId'>, (of: CommonPart) => readonly unknown[]>> = {
  AccessKeyId: ({ userIdentity }) => [userIdentity.accessKeyId],
  EventName: ({ eventName }) => [eventName],
  EventSource: ({ eventSource }) => [eventSource],
  ReadOnly: ({ readOnly }) => [String(readOnly)],
  ResourceName: ({ resources = [] }) => resources.map(({ ARN }) => ARN),
  ResourceType: ({ resources = [] }) => resources.map(({ type }) => type),
  Username: (common) => [userNameOf(common)],
}
const commonAttributes = Object.keys(valuesOf) as (keyof typeof valuesOf)[]

/** By which a batch is found: each attribute and value that any of its events has, and what their ids begin with. */
export function indexOf(batch: EventBatch): [EventAttribute, string][] {
  const { common, events, prefix } = batch.packed
  const found = new Map<string, [EventAttribute, string]>()
  const add = (attribute: EventAttribute, value: unknown) => {
    if (typeof value === 'string') found.set(`${attribute} ${value}`, [attribute, value])
  }
  for (const part of common) {
    for (const attribute of commonAttributes) for (const value of valuesOf[attribute](part)) add(attribute, value)
  }
  for (const event of events) {
    add('EventId', typeof event[4] === 'number' ? prefix : EventIds.prefixOf(batch.eventId(event)))
  }
  return [...found.values()]
}

/** Tells whether an event of the batch has that value. */
export function matcherOf(
  batch: EventBatch,
  attribute: { readonly key: EventAttribute; readonly value: string } | null,
): (event: PackedEvent) => boolean {
  if (attribute === null) return () => true
  const { key, value } = attribute
  if (key === 'EventId') return (event) => batch.eventId(event) === value
  const matches = batch.packed.common.map((common) => valuesOf[key](common).includes(value))
  return ([common]) => matches[common] === true
}
