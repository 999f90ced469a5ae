import { causeOf } from '../model/errors.ts'

/** One after the other, each logged under its name. One that fails stops none; the first failure is thrown at the end. */
export async function runAll(jobs: Readonly<Record<string, () => Promise<object>>>): Promise<void> {
  const failures: unknown[] = []
  for (const [job, run] of Object.entries(jobs)) {
    try {
      console.log(JSON.stringify({ job, ...(await run()) }))
    } catch (failure) {
      console.warn(JSON.stringify({ job, failed: String(causeOf(failure)) }))
      failures.push(failure)
    }
  }
  if (failures.length > 0) throw failures[0]
}
