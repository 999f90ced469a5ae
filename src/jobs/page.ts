import { askTwice } from '../key/directory.ts'
import { causeOf, isRefusal, type Refusal, refuse } from '../model/errors.ts'
import type { RootedObject } from '../model/root-use.ts'
import { list, required, string } from '../model/shapes.ts'
import type { JobParts } from './operator-job.ts'

/** How many objects one call of a job is about, and how many of them are asked at a time. */
const objectsMax = 32
const atOnce = 16

/** Of one class, which `POST /admin/root` names. */
export const classMember = required(string('ClassName', { pattern: '[A-Za-z]{1,64}' }))
export const idsMember = required(
  list('ObjectIds', string('ObjectId', { pattern: '[0-9a-f]{64}' }), { max: objectsMax }),
)

/** What the objects of a page have answered. */
export interface Answers<Answer> {
  readonly answered: readonly { readonly id: string; readonly answer: Answer }[]
  /** Those that keep nothing: never created, or erased. */
  readonly empty: readonly string[]
  /** Those that refused or did not answer, which is no proof of anything. */
  readonly failed: readonly { readonly id: string; readonly reason: string }[]
}

export function rootedClass({ rooted }: JobParts, name: string): ((id: string) => RootedObject) | Refusal {
  const known = [...rooted.keys()].join(', ')
  return rooted.get(name) ?? refuse('ValidationException', `There is no class ${name} of objects, only ${known}.`)
}

/** One that refuses or fails stops nothing. */
export async function askEach<Answer extends object>(
  ids: readonly string[],
  ask: (id: string) => Promise<Answer | Refusal>,
): Promise<Answers<Answer>> {
  const answers = { answered: [], empty: [], failed: [] } as {
    answered: { id: string; answer: Answer }[]
    empty: string[]
    failed: { id: string; reason: string }[]
  }
  const waiting = [...ids]
  const askNext = async () => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      const asked = id
      try {
        const answer = await askTwice(() => ask(asked))
        if (!isRefusal(answer)) answers.answered.push({ id, answer })
        else if (answer.refused === 'NotFoundException') answers.empty.push(id)
        else answers.failed.push({ id, reason: answer.reason })
      } catch (failure) {
        answers.failed.push({ id, reason: `${causeOf(failure)}` })
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, askNext))
  return answers
}
