/** A UUID up to its last part. */
const prefixLength = 24
const numberDigits = 12
const numberForm = /^[0-9a-f]{12}$/

/**
 * Ids of RFC 9562's version 8: 74 random bits, then a counter. Those that are drawn between two `renew` begin alike, so
 * that one row of D1's index finds all of a message's.
 */
export class EventIds {
  #prefix = ''
  #count = 0

  next(): string {
    if (this.#prefix === '') this.#prefix = newPrefix()
    return idOf(this.#prefix, this.#count++)
  }

  renew(): void {
    this.#prefix = ''
    this.#count = 0
  }

  /** What an id is found by; all of one that is no UUID. */
  static prefixOf(id: string): string {
    return id.slice(0, prefixLength)
  }

  /** What follows the prefix; null: it does not begin so, or would not be the same again. */
  static numberOf(id: string, prefix: string): number | null {
    if (prefix.length !== prefixLength || !id.startsWith(prefix)) return null
    const digits = id.slice(prefixLength)
    return numberForm.test(digits) ? Number.parseInt(digits, 16) : null
  }

  static of(prefix: string, id: number | string): string {
    return typeof id === 'number' ? idOf(prefix, id) : id
  }
}

function idOf(prefix: string, number: number): string {
  return prefix + number.toString(16).padStart(numberDigits, '0')
}

function newPrefix(): string {
  const id = crypto.randomUUID()
  return `${id.slice(0, 14)}8${id.slice(15, prefixLength)}`
}
