import { concat } from '../model/bytes.ts'

/** Bytes that come in pieces and go in others, copied only where they have to be. */
export class ByteQueue {
  readonly #pieces: Uint8Array[] = []
  #isLastBorrowed = false
  length = 0

  push(piece: Uint8Array): void {
    if (piece.length === 0) return
    this.#pieces.push(piece)
    this.#isLastBorrowed = true
    this.length += piece.length
  }

  /** The next `count` bytes, which stay; null while there are fewer. */
  peek(count: number): Uint8Array | null {
    return count > this.length ? null : this.#joined(count).subarray(0, count)
  }

  /** The next `count` bytes, of which there are as many. */
  take(count: number): Uint8Array {
    const first = this.#joined(count)
    if (first.length === count) this.#pieces.shift()
    else this.#pieces[0] = first.subarray(count)
    this.length -= count
    return first.subarray(0, count)
  }

  /** Called before the caller's piece goes back to the caller: what is left of it is copied. */
  keep(): void {
    const last = this.#pieces.at(-1)
    if (this.#isLastBorrowed && last !== undefined) this.#pieces[this.#pieces.length - 1] = last.slice()
    this.#isLastBorrowed = false
  }

  /** The first piece, made to have `count` bytes at least. */
  #joined(count: number): Uint8Array {
    let [length, pieces] = [0, 0]
    while (length < count) length += this.#pieces[pieces++]?.length ?? 0
    if (pieces > 1) {
      const parts = this.#pieces.splice(0, pieces)
      const last = parts.pop() as Uint8Array
      const lastBytes = last.length - (length - count)
      if (lastBytes < last.length) this.#pieces.unshift(last.subarray(lastBytes))
      this.#pieces.unshift(concat([...parts, last.subarray(0, lastBytes)]))
    }
    return this.#pieces[0] ?? new Uint8Array(0)
  }
}
