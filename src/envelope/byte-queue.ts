const nothing = new Uint8Array(0)

/** Bytes that come in pieces and go in others. What it gives is valid until the next `push`. */
export class ByteQueue {
  #bytes: Uint8Array<ArrayBufferLike> = nothing
  #start = 0
  #end = 0
  /** True while the bytes are the caller's own. */
  #isBorrowed = false

  get length(): number {
    return this.#end - this.#start
  }

  push(piece: Uint8Array): void {
    if (this.length === 0) {
      this.#bytes = piece
      this.#start = 0
      this.#end = piece.length
      this.#isBorrowed = true
      return
    }
    this.#makeRoom(piece.length)
    this.#bytes.set(piece, this.#end)
    this.#end += piece.length
  }

  /** The next `count` bytes, which stay; null while there are fewer. */
  peek(count: number): Uint8Array | null {
    return count > this.length ? null : this.#bytes.subarray(this.#start, this.#start + count)
  }

  /** The next `count` bytes, or as many as there are. */
  take(count: number): Uint8Array {
    const from = this.#start
    this.#start = Math.min(this.#end, from + count)
    return this.#bytes.subarray(from, this.#start)
  }

  /** Called before the caller's piece goes back to the caller: what is left of it is copied. */
  keep(): void {
    if (!this.#isBorrowed) return
    this.#bytes = this.#bytes.slice(this.#start, this.#end)
    this.#end -= this.#start
    this.#start = 0
    this.#isBorrowed = false
  }

  #makeRoom(count: number): void {
    const { length } = this
    if (!this.#isBorrowed && this.#end + count <= this.#bytes.length) return
    const held = this.#bytes.subarray(this.#start, this.#end)
    if (this.#isBorrowed || length + count > this.#bytes.length) {
      this.#bytes = new Uint8Array(2 * (length + count))
      this.#isBorrowed = false
      this.#bytes.set(held)
    } else {
      this.#bytes.copyWithin(0, this.#start, this.#end)
    }
    this.#start = 0
    this.#end = length
  }
}
