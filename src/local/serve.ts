import { type LocalOptions, parseOptions, Stop, usageOf } from './options.ts'
import type { LocalServer } from './server.ts'

/** The whole of the command, whatever it is called: the exit code, where it does not go on serving. */
export async function serve(args: readonly string[], command: string): Promise<number> {
  try {
    const options = parseOptions(args, Date.now(), command)
    if (options === 'help') console.log(usageOf(command))
    else await run(options)
    return 0
  } catch (failure) {
    if (!(failure instanceof Stop)) throw failure
    console.error(failure.message)
    return 1
  }
}

async function run(options: LocalOptions): Promise<void> {
  // Only now: what it brings along takes a second to load, and a wrong option should be answered at once.
  const { startServer } = await import('./server.ts')
  const server = await startServer(options)
  let isStopping = false
  const stop = async () => {
    if (isStopping) return
    isStopping = true
    await server.stop()
    process.exit(0)
  }
  process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop)
  console.log(banner(server, options))
}

function banner({ endpoint, account, accessKeyId, secretAccessKey }: LocalServer, options: LocalOptions): string {
  const { region, auth, state } = options
  const credentials =
    auth === 'off'
      ? 'any (signatures are not checked)'
      : `${accessKeyId} / ${accessKeyId === 'test' ? secretAccessKey : '(yours)'}`
  const id = auth === 'off' ? 'any' : accessKeyId
  const secret = auth === 'off' || accessKeyId === 'test' ? 'test' : '…'
  return `
edge-kms is ready.

  Endpoint     ${endpoint}
  Region       ${region}
  Account      ${account}
  Credentials  ${credentials}
  State        ${state === 'memory' ? 'in memory' : state}

Try it:

  AWS_ACCESS_KEY_ID=${id} AWS_SECRET_ACCESS_KEY=${secret} aws kms create-key --endpoint-url ${endpoint} --region ${region}
`
}
