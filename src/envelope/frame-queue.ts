/** How many frames are in WebCrypto's hands at once. */
const underWayMax = 4

/** Frames that WebCrypto works on side by side, and that leave in their order. */
export class FrameQueue {
  readonly #underWay: Promise<Uint8Array[]>[] = []
  readonly #emit: (bytes: Uint8Array) => void

  constructor(emit: (bytes: Uint8Array) => void) {
    this.#emit = emit
  }

  /** Rejects as soon as the oldest frame does, and nothing behind it leaves. */
  async add(frame: Promise<Uint8Array[]>): Promise<void> {
    // Whoever waits for it hears of it; one that nobody waits for any more failed behind another.
    frame.catch(() => {})
    this.#underWay.push(frame)
    if (this.#underWay.length > underWayMax) await this.#release()
  }

  async drain(): Promise<void> {
    while (this.#underWay.length > 0) await this.#release()
  }

  async #release(): Promise<void> {
    const parts = await (this.#underWay[0] as Promise<Uint8Array[]>)
    this.#underWay.shift()
    for (const part of parts) this.#emit(part)
  }
}
