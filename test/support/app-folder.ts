import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll } from 'vitest'
import { project } from './server.ts'

const folders: string[] = []

/**
 * The folder of an app that has the package, built as it is published. It lies within the project, so that what an app has
 * besides is found there, and is removed after the test file.
 */
export async function appFolder(): Promise<string> {
  mkdirSync(join(project, 'dist'), { recursive: true })
  const folder = mkdtempSync(join(project, 'dist/app-'))
  folders.push(folder)
  // Without a package of its own it would be the project's, and edge-kms the project itself.
  writeFileSync(join(folder, 'package.json'), '{"name":"app","private":true,"type":"module"}')
  const installed = join(folder, 'node_modules/edge-kms')
  await promisify(execFile)(process.execPath, [join(project, 'src/package/build.ts'), join(installed, 'dist/package')])
  copyFileSync(join(project, 'package.json'), join(installed, 'package.json'))
  return folder
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})
