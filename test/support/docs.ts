import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { awsCliEnv } from './aws-cli.ts'
import { project, startKms, temporaryState } from './server.ts'

export interface Ran {
  readonly endpoint: string
  readonly stdout: string
  readonly stderr: string
}

/** The code of a page in docs/, block by block. */
export function blocks(page: string, language: string): string[] {
  const text = readFileSync(join(project, 'docs', page), 'utf8')
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, block = '']) => block)
}

/** Runs every `sh` block of a page as one script, in an empty folder, against a new local server in place of the page's. */
export async function runPage(page: string): Promise<Ran> {
  const text = readFileSync(join(project, page), 'utf8')
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block)
  const { endpoint } = await startKms(['--state', 'memory'])
  const script = blocks.join('\n').replaceAll('http://127.0.0.1:8787', endpoint)
  if (!script.includes(endpoint)) throw new Error(`${page} names no endpoint`)
  const { stdout, stderr } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], {
    env: awsCliEnv,
    cwd: temporaryState(),
  })
  return { endpoint, stdout, stderr }
}
