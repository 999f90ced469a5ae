import { createWorker } from '../../src/worker.ts'

export { KeyObject } from '../../src/worker.ts'

/** The Worker with a lifecycle clock that tests move. */
export const testClock = { offsetMs: 0 }

export default createWorker({
  clock() {
    const wallTime = Date.now()
    return { wallTime, time: wallTime + testClock.offsetMs }
  },
  authenticate: ({ authenticate }) => authenticate,
})
