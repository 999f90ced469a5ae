import { deadLetters } from './dead-letters.ts'
import type { Job } from './operator-job.ts'
import { progress } from './progress.ts'
import { listIndex, republish } from './rebuild.ts'
import { retire, rootKeys } from './retire.ts'
import { rewrap, rewrapAccessKeys } from './rewrap.ts'
import { scan } from './scan.ts'

/** What an operator may ask for, by its name in `POST /admin/NAME`. */
export const operatorJobs: ReadonlyMap<string, Job> = new Map([
  ['root-keys', rootKeys],
  ['rewrap', rewrap],
  ['rewrap-access-keys', rewrapAccessKeys],
  ['scan', scan],
  ['retire', retire],
  ['index', listIndex],
  ['republish', republish],
  ['progress', progress],
  ['dead-letters', deadLetters],
])
