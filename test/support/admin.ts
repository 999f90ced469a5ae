import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { project } from './server.ts'

/** An operator's command, as `npm run NAME -- …` starts it. */
export function startAdmin(name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [join(project, 'src/admin/main.ts'), name, ...args], {
    cwd: project,
    env: { PATH: process.env.PATH, ...env },
  })
  const done = Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.once('close', resolve)),
  ]).then(([stdout, stderr, code]) => ({ stdout, stderr, code }))
  return { child, done }
}

export function admin(name: string, args: readonly string[], env?: NodeJS.ProcessEnv) {
  return startAdmin(name, args, env).done
}
