/** Secrets from the environment, in stock's order of places (spec cli 2.3, 2.4). */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errors } from './errors.ts'
import { type ClientHost, systemText } from './host.ts'
import { splitWords } from './shell-words.ts'

/** A secret is a line; a file of more is a mistake. */
const SECRET_SIZE_MAX = 64 * 1024
const COMMAND_TIMEOUT_MS = 120_000

/** The systemd credential that stands in for each variable. */
const CREDENTIALS: Readonly<Record<string, string>> = {
  PBS_PASSWORD: 'proxmox-backup-client.password',
  PBS_ENCRYPTION_PASSWORD: 'proxmox-backup-client.encryption-password',
  PBS_REPOSITORY: 'proxmox-backup-client.repository',
  PBS_FINGERPRINT: 'proxmox-backup-client.fingerprint',
}

export type SecretName =
  | 'PBS_PASSWORD'
  | 'PBS_ENCRYPTION_PASSWORD'
  | 'PBS_REPOSITORY'
  | 'PBS_FINGERPRINT'

/**
 * `NAME`, then `NAME_FD`, `NAME_FILE`, `NAME_CMD`, then the systemd credential; null if there is none.
 * @throws SECRET_UNREADABLE
 */
export async function readSecret(host: ClientHost, name: SecretName): Promise<string | null> {
  const { environment } = host
  const plain = environment[name]
  if (plain !== undefined) return plain
  const descriptor = environment[`${name}_FD`]
  if (descriptor !== undefined) return firstLine(readDescriptor(name, descriptor))
  const path = environment[`${name}_FILE`]
  if (path !== undefined) return firstLine(await readSecretFile(host, name, path))
  const command = environment[`${name}_CMD`]
  if (command !== undefined) return firstLine(await readCommand(command))
  return await readCredential(host, name)
}

function readDescriptor(name: string, descriptor: string): string {
  const fail = (reason: string) =>
    errors.SECRET_UNREADABLE({
      reason: `unable to parse file descriptor in ENV(${name}_FD): ${reason}`,
    })
  if (!/^[0-9]+$/.test(descriptor)) throw fail('invalid digit found in string')
  try {
    return readFileSync(Number(descriptor), 'utf8')
  } catch (cause) {
    throw fail(systemText(cause))
  }
}

async function readSecretFile(host: ClientHost, name: string, path: string): Promise<string> {
  try {
    return Buffer.from(await host.fs.readFile(path, SECRET_SIZE_MAX)).toString('utf8')
  } catch (cause) {
    const reason = `unable to open file in ENV(${name}_FILE): ${systemText(cause)}`
    throw errors.SECRET_UNREADABLE({ reason }, { cause })
  }
}

/** Standard output of `command`, split like a shell would but run without one. */
async function readCommand(command: string): Promise<string> {
  const [program = '', ...args] = splitWords(command)
  return await new Promise((resolve, reject) => {
    const options = { timeout: COMMAND_TIMEOUT_MS, maxBuffer: SECRET_SIZE_MAX }
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout)
      const quoted = [program, ...args].map((word) => JSON.stringify(word)).join(' ')
      const reason =
        typeof error.code === 'number'
          ? `command ${quoted} failed - status code: ${error.code} - ${stderr.trim() || 'no error message'}`
          : `failed to execute ${quoted} - ${systemText(error)}`
      reject(errors.SECRET_UNREADABLE({ reason }, { cause: error }))
    })
  })
}

async function readCredential(host: ClientHost, name: SecretName): Promise<string | null> {
  const folder = host.environment['CREDENTIALS_DIRECTORY']
  if (folder === undefined) return null
  try {
    const bytes = await host.fs.readFile(join(folder, CREDENTIALS[name] ?? name), SECRET_SIZE_MAX)
    return Buffer.from(bytes).toString('utf8')
  } catch {
    return null
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]?.replace(/\r$/, '') ?? ''
}
