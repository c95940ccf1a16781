/** `bin/`: what reaches the program whatever Node starts it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { PROGRAM_ENVIRONMENT } from '../support/run-client.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const PROGRAM = join(import.meta.dirname, '../../bin/cairn-client.mjs')

interface StartedClient {
  readonly args: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** File that is open at `descriptor`; those below it are open, too. */
  readonly file: string
  readonly descriptor: number
}

async function errorsOf({ args, environment, file, descriptor }: StartedClient): Promise<string> {
  const stdio = Array.from({ length: descriptor + 1 }, (): 'ignore' | 'pipe' | number => 'ignore')
  stdio[2] = 'pipe'
  stdio[descriptor] = openSync(file, 'r')
  const env = { ...PROGRAM_ENVIRONMENT, ...environment }
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio, env })
  const pieces: Buffer[] = []
  child.stderr?.on('data', (piece: Buffer) => pieces.push(piece))
  await once(child, 'close')
  return Buffer.concat(pieces).toString()
}

suite('descriptors that the client is told to read', () => {
  for (const descriptor of [3, 11]) {
    test(`reach it by an option and by the environment: ${descriptor}`, async (context) => {
      const file = join(await makeTemporaryFolder(context), 'secret')
      writeFileSync(file, 'a:b:c:d\n')
      const environment = { PBS_REPOSITORY_FD: String(descriptor) }
      const listed = await errorsOf({ args: ['list'], environment, file, descriptor })
      assert.match(listed, /unable to parse repository url 'a:b:c:d'/)

      const args = ['backup', `x.conf:${file}`, '--repository', 'store', '--keyfd', `${descriptor}`]
      assert.match(await errorsOf({ args, file, descriptor }), /"a:b:c:d\n" is not valid JSON/)
    })
  }
})
