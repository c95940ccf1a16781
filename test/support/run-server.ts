/** `cairn serve` as a process with a datastore of its own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { testCertificate } from './certificate.ts'
import { PROGRAM_ENVIRONMENT } from './run-client.ts'

const PROGRAM = join(import.meta.dirname, '../../bin/cairn.mjs')

export interface ServerRun extends AsyncDisposable {
  readonly port: number
  readonly fingerprint: string
  readonly password: string
  /** Everything lies below it. */
  readonly folder: string
  /** What it printed so far. */
  output(): string
  kill(signal: NodeJS.Signals): Promise<void>
}

/** Starts a server whose data lie in the new or known `folder`. */
export async function runServer(folder: string): Promise<ServerRun> {
  const password = 'test-password'
  await giveCertificate(join(folder, 'config'))
  const child = spawn(process.execPath, [PROGRAM, 'serve', '--data', folder, '--port', '0'], {
    env: { ...PROGRAM_ENVIRONMENT, CAIRN_ADMIN_PASSWORD: password },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  const note = (data: Buffer) => (printed += data.toString())
  child.stdout.on('data', note)
  child.stderr.on('data', note)
  const ended = once(child, 'close')
  for (;;) {
    const port = /@127\.0\.0\.1:(\d+):/.exec(printed)?.[1]
    const fingerprint = /PBS_FINGERPRINT='([0-9a-f:]{95})'/.exec(printed)?.[1]
    if (port !== undefined && fingerprint !== undefined) {
      const kill = async (signal: NodeJS.Signals) => {
        child.kill(signal)
        await ended
      }
      return {
        port: Number(port),
        fingerprint,
        password,
        folder,
        output: () => printed,
        kill,
        async [Symbol.asyncDispose]() {
          await kill('SIGKILL')
        },
      }
    }
    if (child.exitCode !== null) throw new Error(`the server ended: ${printed}`)
    await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data'), ended])
  }
}

/** Environment for a client of `server` as the administrator. */
export function clientEnvironment(server: ServerRun, home: string): Record<string, string> {
  return {
    HOME: home,
    XDG_RUNTIME_DIR: join(home, 'run'),
    PBS_REPOSITORY: `admin@pbs@127.0.0.1:${server.port}:main`,
    PBS_PASSWORD: server.password,
    PBS_FINGERPRINT: server.fingerprint,
  }
}

/** Making a key of 4096 bits takes seconds; a test need not wait for it. */
async function giveCertificate(folder: string): Promise<void> {
  const { keyPem, certificatePem } = await testCertificate()
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'proxy.key'), keyPem, { mode: 0o640 })
  await writeFile(join(folder, 'proxy.pem'), certificatePem, { mode: 0o640 })
}
