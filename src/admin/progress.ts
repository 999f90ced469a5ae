const barWidth = 30
const lineEveryMs = 5_000

/** How far a job is: a bar on a terminal, a line now and then elsewhere. */
export class Progress {
  readonly #label: string
  readonly #total: number
  #done: number
  #shownAt = 0

  constructor(label: string, total: number, done = 0) {
    this.#label = label
    this.#total = total
    this.#done = done
    this.#show()
  }

  add(count: number): void {
    this.#done += count
    this.#show()
  }

  end(): void {
    this.#shownAt = 0
    this.#show()
    if (process.stdout.isTTY) process.stdout.write('\n')
  }

  #show(): void {
    const now = Date.now()
    const { isTTY } = process.stdout
    if (now - this.#shownAt < (isTTY ? 100 : lineEveryMs)) return
    this.#shownAt = now
    const share = this.#total === 0 ? 1 : Math.min(1, this.#done / this.#total)
    const text = `${this.#label}: ${formatted(this.#done)} of ${formatted(this.#total)}`
    if (!isTTY) console.log(text)
    else {
      const bar = '█'.repeat(Math.round(share * barWidth)).padEnd(barWidth, '░')
      process.stdout.write(`\r${bar} ${Math.floor(share * 100)} % ${text}\x1b[K`)
    }
  }
}

function formatted(count: number): string {
  return count.toLocaleString('en')
}
