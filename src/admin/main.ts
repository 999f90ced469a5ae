import { Stop } from '../local/options.ts'
import { AdminClient } from './client.ts'
import { deadLetters } from './dead-letters.ts'
import { type Enumerate, objectsAtCloudflare, objectsInFolder } from './objects.ts'
import { type AdminOptions, parseOptions, usage } from './options.ts'
import { rebuild } from './rebuild.ts'
import { retire } from './retire.ts'
import { rotate } from './rotate.ts'

interface Command {
  run(admin: AdminClient, enumerate: Enumerate, options: AdminOptions): Promise<void>
  /** False: it needs no access to where objects are stored. */
  readonly isAboutObjects: boolean
}

/** By the names of their npm scripts. */
const commands: Readonly<Record<string, Command>> = {
  'dead-letters': { run: deadLetters, isAboutObjects: false },
  'index:rebuild': { run: rebuild, isAboutObjects: true },
  'root:retire': { run: retire, isAboutObjects: true },
  'root:rotate': { run: rotate, isAboutObjects: true },
}

try {
  const [name = '', ...args] = process.argv.slice(2)
  const options = parseOptions(args, process.env)
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (options === 'help') console.log(usage)
  else if (command === undefined) throw new Stop(usage)
  else {
    const enumerate = command.isAboutObjects ? enumerator(options) : async () => []
    await command.run(new AdminClient(options), enumerate, options)
  }
} catch (failure) {
  if (!(failure instanceof Stop)) throw failure
  console.error(failure.message)
  process.exitCode = 1
}

function enumerator({ state }: AdminOptions): Enumerate {
  return state === null ? objectsAtCloudflare(process.env) : objectsInFolder(state)
}
