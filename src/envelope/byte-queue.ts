/** Bytes that come in pieces and go in others. What it gives is valid until it is called again. */
export class ByteQueue {
  readonly #pieces: Uint8Array[] = []
  readonly #own = new WeakSet<ArrayBufferLike>()
  /** Memory of its own that is free again: a stream needs the same few buffers from its beginning to its end. */
  #spare = new Uint8Array(0)
  length = 0

  push(piece: Uint8Array): void {
    if (piece.length === 0) return
    this.#pieces.push(piece)
    this.length += piece.length
  }

  /** The next `count` bytes, which stay; null while there are fewer. */
  peek(count: number): Uint8Array | null {
    return count > this.length ? null : this.#joined(count).subarray(0, count)
  }

  /** The next `count` bytes, of which there are as many. */
  take(count: number): Uint8Array {
    const taken = this.#joined(count).subarray(0, count)
    this.#drop(count)
    return taken
  }

  /** Called before the caller's piece goes back to the caller: what is left of it is copied. */
  keep(): void {
    const last = this.#pieces.at(-1)
    if (last === undefined || this.#own.has(last.buffer)) return
    const copy = this.#room(last.length)
    copy.set(last)
    this.#pieces[this.#pieces.length - 1] = copy
  }

  /** The first piece, made to have `count` bytes at least. */
  #joined(count: number): Uint8Array {
    const [first = new Uint8Array(0)] = this.#pieces
    if (first.length >= count) return first
    const whole = this.#room(count)
    for (let at = 0; at < count; ) {
      const part = (this.#pieces[0] as Uint8Array).subarray(0, count - at)
      whole.set(part, at)
      at += part.length
      this.#drop(part.length)
    }
    this.length += count
    this.#pieces.unshift(whole)
    return whole
  }

  /** Of the first piece. */
  #drop(count: number): void {
    const [first] = this.#pieces
    if (first === undefined) return
    this.length -= count
    if (count < first.length) {
      this.#pieces[0] = first.subarray(count)
    } else {
      this.#pieces.shift()
      if (this.#own.has(first.buffer)) this.#spare = new Uint8Array(first.buffer as ArrayBuffer)
    }
  }

  #room(count: number): Uint8Array {
    const room = this.#spare.length >= count ? this.#spare : new Uint8Array(count)
    this.#own.add(room.buffer)
    this.#spare = new Uint8Array(0)
    return room.subarray(0, count)
  }
}
