import { readFileSync } from 'node:fs'
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { type Seed, seedFault } from './seed.ts'

/** What `npm start --` takes, checked. */
export interface LocalOptions {
  readonly host: string
  readonly port: number
  /** A folder, or `memory`: nothing is kept. */
  readonly state: string
  readonly region: string
  /** The lifecycle time to start at, in milliseconds; null: the state's own. */
  readonly clock: number | null
  readonly auth: 'on' | 'off'
  /** What the state gets that it lacks; null: nothing. */
  readonly seed: Seed | null
}

/** Said as a sentence, and the process ends. */
export class Stop extends Error {}

/** As `parseArgs`; what it does not take stops with its sentence and the command's usage. */
export function readArgs<Config extends ParseArgsConfig>(config: Config, usage: string) {
  try {
    return parseArgs(config)
  } catch (failure) {
    throw new Stop(`${(failure as Error).message.split('\n')[0]}\n${usage}`)
  }
}

const usage = ` [options]
  --port N        the port to listen on (8787)
  --host HOST     the address to listen on (127.0.0.1)
  --state DIR     where keys and aliases are kept (.edge-kms); "memory" keeps nothing
  --region NAME   the Region the banner shows (us-east-1); every Region is served
  --clock TIME    lifecycle time: a date (2027-06-01T00:00Z) or a distance (+366d); it only moves forward
  --seed FILE     keys, users and roles to start with, in JSON (docs/testing.md)
  --auth off      any credentials are the root of the account whose 12 digits are the access key id, else 000000000000
  --help          this text`

/** `npm start --`, or whatever it is called. */
export function usageOf(command: string): string {
  return command + usage
}

const options = {
  port: { type: 'string', default: '8787' },
  host: { type: 'string', default: '127.0.0.1' },
  state: { type: 'string', default: '.edge-kms' },
  region: { type: 'string', default: 'us-east-1' },
  auth: { type: 'string', default: 'on' },
  clock: { type: 'string' },
  seed: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const

export function parseOptions(args: readonly string[], now: number, command: string): LocalOptions | 'help' {
  const { values } = readArgs({ args: [...args], options }, usageOf(command))
  if (values.help) return 'help'
  const port = Number(values.port)
  if (!/^\d+$/.test(values.port) || port > 65_535)
    throw new Stop(`--port takes a number from 0 to 65535, not ${values.port}.`)
  if (values.auth !== 'on' && values.auth !== 'off') throw new Stop(`--auth takes "on" or "off", not ${values.auth}.`)
  if (!/^[a-z]{2}(-[a-z]+)+-\d$/.test(values.region))
    throw new Stop(`--region takes an AWS Region, not ${values.region}.`)
  const { host, state, region, auth } = values
  const clock = values.clock === undefined ? null : parseClock(values.clock, now)
  const seed = values.seed === undefined ? null : readSeed(values.seed)
  return { host, port, state, region, auth, clock, seed }
}

function readSeed(file: string): Seed {
  let seed: unknown
  try {
    seed = JSON.parse(readFileSync(file, 'utf8'))
  } catch (failure) {
    throw new Stop(`--seed takes a file of JSON: ${(failure as Error).message}.`)
  }
  const fault = seedFault(seed)
  if (fault !== null) throw new Stop(`${file}: ${fault}`)
  return seed as Seed
}

function parseClock(text: string, now: number): number {
  const [, days] = /^\+(\d+)d$/.exec(text) ?? []
  const time = days === undefined ? Date.parse(text) : now + Number(days) * 86_400_000
  if (Number.isNaN(time))
    throw new Stop(`--clock takes a date such as 2027-06-01T00:00Z or a distance such as +366d, not ${text}.`)
  return time
}
