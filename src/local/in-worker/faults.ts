import type { LocalEnv } from './env.ts'
import type { Binding, Faults } from './fault-words.ts'

/*
 * For tests of what is lost: every call on a binding is where a change may be cut off, before the call and after it,
 * before its answer is seen. Off unless the server was started with LOCAL_FAULTS.
 */

/** The members that answer at once, with something whose calls count, or with something whose calls do not. */
interface Kind {
  readonly opens: readonly string[]
  readonly plain: readonly string[]
}

const called: Kind = { opens: [], plain: [] }
const namespace: Kind = { opens: ['get', 'getByName'], plain: ['idFromName', 'idFromString', 'newUniqueId'] }
const kinds = {
  DB: { opens: ['prepare', 'bind', 'withSession'], plain: [] },
  AUDIT_QUEUE: called,
  LIFECYCLE_QUEUE: called,
  EVENTS_QUEUE: called,
  ARCHIVE: called,
  KEYS: namespace,
  AUDIT_TRAIL: namespace,
  LOCAL_STATE: called,
} as const satisfies Record<Binding, Kind>

let faults: Faults = {}
let points: string[] = []
let isDying = false
let tellNode: (() => Promise<unknown>) | undefined
const wrapped = new WeakSet<LocalEnv>()
/** What stands behind a wrapped statement: a batch takes no other. */
const originals = new WeakMap<object, object>()

/** The environment, in its place: every call on its bindings is a point where things may go wrong. */
export function withFaults(env: LocalEnv): LocalEnv {
  if (env.LOCAL_FAULTS === '' || wrapped.has(env)) return env
  wrapped.add(env)
  const { LOCAL_STATE } = env
  tellNode = () => LOCAL_STATE.fetch('http://state/kill', { method: 'PUT' })
  const names = Object.keys(kinds) as Binding[]
  return Object.assign(env, Object.fromEntries(names.map((name) => [name, faulty(name, env[name], kinds[name])])))
}

/** By whoever knows the word of LOCAL_FAULTS. A POST says what goes wrong from now on, and does what cron would. */
export async function serveFaults(
  request: Request,
  runCron: (event: ScheduledController) => void | Promise<void> | undefined,
): Promise<Response> {
  if (request.method === 'POST') {
    const { isCron = false, ...wanted } = (await request.json()) as Faults & { isCron?: boolean }
    faults = wanted
    points = []
    if (isCron) await runCron({ cron: '', scheduledTime: Date.now(), noRetry: () => {} })
  }
  return Response.json({ points })
}

/** One of the points. Where the processes die, it does not return. */
export async function faultPoint(name: string): Promise<void> {
  if (tellNode === undefined) return
  if (points.push(name) - 1 === faults.killAt) {
    isDying = true
    await tellNode()
  }
  if (isDying) await new Promise(() => {})
}

function faulty<Target extends object>(binding: Binding, target: Target, { opens, plain }: Kind): Target {
  const proxy = new Proxy(target, {
    get(_, name) {
      const member = Reflect.get(target, name, target)
      if (typeof member !== 'function' || typeof name !== 'string') return member
      const call = (given: readonly unknown[]): unknown => Reflect.apply(member, target, given.map(original))
      if (plain.includes(name)) return (...given: unknown[]) => call(given)
      if (opens.includes(name)) return (...given: unknown[]) => faulty(binding, call(given) as object, { opens, plain })
      return (...given: unknown[]) => passing(binding, name, () => call(given))
    },
  })
  originals.set(proxy, target)
  return proxy
}

async function passing<Answer>(binding: Binding, name: string, call: () => Answer): Promise<Awaited<Answer>> {
  await faultPoint(`before ${binding}.${name}`)
  if (faults.refuse?.includes(binding)) throw new Error(`${binding} refuses every call`)
  const answer = await call()
  await faultPoint(`after ${binding}.${name}`)
  if (faults.lose?.includes(binding)) throw new Error(`${binding} does not answer`)
  return answer
}

function original(given: unknown): unknown {
  if (Array.isArray(given)) return given.map(original)
  return (typeof given === 'object' && given !== null && originals.get(given)) || given
}
