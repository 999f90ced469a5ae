import { readArgs, Stop } from '../local/options.ts'
import { parseTarget, type Target } from './target.ts'
import { type CommandName, usageOf } from './usage.ts'

/** What a command takes, checked. Lists are empty where nothing was said. */
export interface CliOptions {
  readonly target: Target
  /** A file, or `-` for standard input; null: the command takes none. */
  readonly file: string | null
  readonly keys: readonly string[]
  readonly to: readonly string[]
  readonly context: Readonly<Record<string, string>>
  /** Null: the command's own choice. */
  readonly output: string | null
  readonly isSigned: boolean
  readonly isForced: boolean
  readonly isJson: boolean
}

const common = {
  endpoint: { type: 'string' },
  region: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const
const key = { key: { type: 'string', multiple: true } } as const
const ofFiles = {
  ...common,
  ...key,
  context: { type: 'string', multiple: true },
  output: { type: 'string', short: 'o' },
  force: { type: 'boolean' },
} as const

const taken = {
  encrypt: { ...ofFiles, signed: { type: 'boolean' } },
  decrypt: ofFiles,
  rewrap: { ...ofFiles, to: { type: 'string', multiple: true } },
  doctor: { ...common, ...key },
} as const

export type FileCommand = keyof typeof taken

interface Values {
  readonly endpoint?: string
  readonly region?: string
  readonly json?: boolean
  readonly help?: boolean
  readonly key?: readonly string[]
  readonly to?: readonly string[]
  readonly context?: readonly string[]
  readonly output?: string
  readonly force?: boolean
  readonly signed?: boolean
}

/** Throws `Stop` with the sentence and the usage. */
export function parseOptions(
  command: Exclude<CommandName, 'dev'>,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): CliOptions | 'help' {
  const usage = usageOf(command)
  const read = readArgs({ args: [...args], allowPositionals: true, options: taken[command] }, usage)
  const values = read.values as Values
  if (values.help) return 'help'
  const [file = null, ...more] = read.positionals
  const isAboutFile = command !== 'doctor'
  if ((file !== null) !== isAboutFile || more.length > 0) {
    throw new Stop(`${command} takes ${isAboutFile ? 'one FILE' : 'no FILE'}.\n${usage}`)
  }
  if (command === 'encrypt' && values.key === undefined) throw new Stop(`encrypt needs a --key.\n${usage}`)
  if (command === 'rewrap' && values.to === undefined) throw new Stop(`rewrap needs a key --to.\n${usage}`)
  return {
    target: parseTarget(values, env),
    file,
    keys: values.key ?? [],
    to: values.to ?? [],
    context: parseContext(values.context ?? []),
    output: values.output ?? null,
    isSigned: values.signed ?? false,
    isForced: values.force ?? false,
    isJson: values.json ?? false,
  }
}

function parseContext(pairs: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=')
      if (at < 1) throw new Stop(`--context takes NAME=VALUE, not ${pair}.`)
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}
