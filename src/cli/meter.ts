const barWidth = 30
const everyMs = 100

/** Counts what passes, and shows it on a terminal: standard error, as the output may be anywhere. */
export class Meter {
  bytes = 0
  readonly #label: string
  /** Null: nobody knows. */
  readonly #total: number | null
  readonly #startedAt = performance.now()
  #shownAt = 0

  constructor(label: string, total: number | null) {
    this.#label = label
    this.#total = total
  }

  through(): TransformStream<Uint8Array, Uint8Array> {
    return new TransformStream({
      transform: (piece, controller) => {
        this.bytes += piece.length
        this.#show(performance.now())
        controller.enqueue(piece)
      },
    })
  }

  /** Leaves the line as it was. */
  clear(): void {
    if (this.#shownAt > 0) process.stderr.write('\r\x1b[K')
  }

  #show(now: number): void {
    if (!process.stderr.isTTY || now - Math.max(this.#shownAt, this.#startedAt) < everyMs) return
    this.#shownAt = now
    const megabytes = this.bytes / 1e6
    const rate = megabytes / ((now - this.#startedAt) / 1000)
    const text = `${this.#label} ${megabytes.toFixed(0)} MB, ${rate.toFixed(0)} MB/s`
    process.stderr.write(`\r${this.#bar()}${text}\x1b[K`)
  }

  #bar(): string {
    if (this.#total === null) return ''
    const share = this.#total === 0 ? 1 : Math.min(1, this.bytes / this.#total)
    return `${'█'.repeat(Math.round(share * barWidth)).padEnd(barWidth, '░')} ${Math.floor(share * 100)} % `
  }
}
