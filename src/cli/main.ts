import { EnvelopeError } from '../envelope/index.ts'
import { Stop } from '../local/options.ts'
import { KmsError } from '../sdk/index.ts'
import { type CliOptions, parseOptions } from './options.ts'
import { type CommandName, usageOf, usages } from './usage.ts'

const misused = 2

const [name = '', ...args] = process.argv.slice(2)
const aborting = new AbortController()

if (name === '' || name === '--help' || name === 'help') {
  console.log(usages[''])
  process.exitCode = name === '' ? misused : 0
} else if (!isCommand(name)) {
  console.error(`There is no command ${name}.\n${usages['']}`)
  process.exitCode = misused
} else if (name === 'dev') {
  const { serve } = await import('../local/serve.ts')
  const code = await serve(args, 'edge-kms dev')
  if (code !== 0) process.exit(code)
} else {
  await command(name)
}

function isCommand(name: string): name is CommandName {
  return name !== '' && Object.hasOwn(usages, name)
}

async function command(name: Exclude<CommandName, 'dev'>): Promise<void> {
  let options: CliOptions | 'help'
  try {
    options = parseOptions(name, args, process.env)
  } catch (failure) {
    if (!(failure instanceof Stop)) throw failure
    console.error(failure.message)
    process.exitCode = misused
    return
  }
  if (options === 'help') {
    console.log(usageOf(name))
    return
  }
  for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143 })) {
    process.once(signal, () => {
      process.exitCode = code
      aborting.abort(new Stop('It was interrupted, and left nothing behind.'))
    })
  }
  try {
    if (name === 'doctor') await doctor(options)
    else await convertFile(name, options)
  } catch (failure) {
    tell(failure, options.isJson)
    process.exitCode ||= 1
  }
}

async function doctor({ target, keys, isJson }: CliOptions): Promise<void> {
  const { examine, report } = await import('./doctor.ts')
  const findings = await examine(target, keys)
  console.log(isJson ? JSON.stringify(findings, null, 2) : report(findings))
  process.exitCode = findings.every(({ isOk }) => isOk) ? 0 : 1
}

async function convertFile(name: 'encrypt' | 'decrypt' | 'rewrap', options: CliOptions): Promise<void> {
  const { convert } = await import('./convert.ts')
  const done = await convert(name, options, aborting.signal)
  // Standard output may be the file.
  const say = done.output === '-' ? console.error : console.log
  if (options.isJson) say(JSON.stringify(done))
  else if (done.output !== '-') say(done.output)
}

/** Cause and remedy, for people or for programs. A bug is thrown on. */
function tell(failure: unknown, isJson: boolean): void {
  const known = failure instanceof KmsError || failure instanceof EnvelopeError || failure instanceof Stop
  const isFile = typeof (failure as NodeJS.ErrnoException).syscall === 'string'
  if (!known && !isFile) throw failure
  const { name, message, cause } = failure as Error
  const asked = cause instanceof KmsError ? cause : failure
  const { remedy = null, requestId = null } = asked instanceof KmsError ? asked : {}
  const reason = cause instanceof KmsError ? `${cause.name}: ${cause.message}` : null
  if (isJson) {
    console.error(JSON.stringify({ error: { name, message, cause: reason, remedy, requestId } }))
    return
  }
  const lines = [failure instanceof KmsError && message !== name ? `${name}: ${message}` : message, reason, remedy]
  console.error(lines.filter((line) => line !== null).join('\n'))
}
