import { toBase64 } from '../model/bytes.ts'
import { type Refusal, refuse } from '../model/errors.ts'

const depthMax = 16

/**
 * What came over RPC as the wire's JSON has it, so that an operation's shape reads it: bytes in base64, times in seconds.
 * Refused: what no JSON holds, such as functions, stubs, and what holds itself.
 */
export function toWire(value: unknown): unknown | Refusal<'SerializationException'> {
  try {
    return encoded(value, 0)
  } catch (failure) {
    if (failure instanceof NoData) return refuse('SerializationException', failure.message)
    throw failure
  }
}

class NoData extends Error {}

function encoded(value: unknown, depth: number): unknown {
  if (depth > depthMax) throw new NoData('The input is nested too deep')
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return value
  }
  if (typeof value !== 'object') throw new NoData(`A ${typeof value} is no value of KMS`)
  if (value instanceof Date) return value.getTime() / 1000
  if (value instanceof ArrayBuffer) return toBase64(new Uint8Array(value))
  if (ArrayBuffer.isView(value)) return toBase64(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
  if (Array.isArray(value)) return value.map((element) => encoded(element, depth + 1))
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw new NoData('Only plain objects are values of KMS')
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  return Object.fromEntries(members.map(([name, member]) => [name, encoded(member, depth + 1)]))
}

/** An answer that takes nothing along but itself: bytes that are a part of a larger buffer would bring all of that. */
export function detached(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.byteLength === value.buffer.byteLength ? value : value.slice()
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  if (Array.isArray(value)) return value.map(detached)
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  return Object.fromEntries(members.map(([name, member]) => [name, detached(member)]))
}
