/** Whether a server's certificate is believed: expectation, question, memory (spec cli 2.5, 2.7). */
import { dirname } from 'node:path'
import { atomicWrite } from '../base/fs/atomic-write.ts'
import type { TlsTrust } from '../transport/tls.ts'
import type { ClientHost } from './host.ts'
import { readSecret } from './secrets.ts'
import { configPath, readUserFile } from './user-files.ts'

const FILE_NAME = 'fingerprints'

/**
 * What to believe of `server` (without port). A person is asked once a run, however many connections
 * are made; what was confirmed is kept unless the expectation came from the environment.
 */
export async function trustOf(host: ClientHost, server: string): Promise<TlsTrust> {
  const given = await readSecret(host, 'PBS_FINGERPRINT')
  const expected = given ?? (await readFingerprint(host, server))
  let asked: Promise<boolean> | null = null
  const ask = async (fingerprint: string) => {
    const isConfirmed = await confirm(host, expected, fingerprint)
    if (isConfirmed && given === null) await storeFingerprint(host, server, fingerprint)
    return isConfirmed
  }
  return {
    fingerprint: expected,
    confirm: (fingerprint) => {
      asked ??= ask(fingerprint)
      return asked
    },
  }
}

/** The kept fingerprint of `server`, or null. */
export async function readFingerprint(host: ClientHost, server: string): Promise<string | null> {
  const path = configPath(host.environment, FILE_NAME)
  const text = path === null ? null : await readUserFile(host, path)
  for (const [name, fingerprint] of parseLines(text ?? '')) {
    if (name === server) return fingerprint
  }
  return null
}

/** Keeps `fingerprint` for `server`; failures are silent. */
export async function storeFingerprint(
  host: ClientHost,
  server: string,
  fingerprint: string,
): Promise<void> {
  const path = configPath(host.environment, FILE_NAME)
  if (path === null) return
  const text = (await readUserFile(host, path)) ?? ''
  const others = parseLines(text).filter(([name]) => name !== server)
  const lines = [...others, [server, fingerprint]].map((pair) => `${pair.join(' ')}\n`)
  try {
    await host.fs.mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await atomicWrite(host.fs, path, Buffer.from(lines.join('')), { mode: 0o600, durable: false })
  } catch {
    // Without the memory the question comes again; that is all.
  }
}

async function confirm(
  host: ClientHost,
  expected: string | null,
  fingerprint: string,
): Promise<boolean> {
  if (expected !== null) {
    host.log('WARNING: certificate fingerprint does not match expected fingerprint!')
    host.log(`expected:    ${expected}`)
  }
  const isConfirmed = host.prompt.isInteractive && (await askPerson(host, fingerprint))
  if (!isConfirmed) {
    host.log('certificate validation failed - Certificate fingerprint was not confirmed.')
  }
  return isConfirmed
}

async function askPerson(host: ClientHost, fingerprint: string): Promise<boolean> {
  host.log(`fingerprint: ${fingerprint}`)
  const question = 'Are you sure you want to continue connecting? (y/n): '
  for (;;) {
    const answer = await host.prompt.askLine(question, 'error')
    if (answer === null || /^n$/i.test(answer.trim())) return false
    if (/^y$/i.test(answer.trim())) return true
  }
}

function parseLines(text: string): readonly (readonly [server: string, fingerprint: string])[] {
  return text.split('\n').flatMap((line) => {
    const [server, fingerprint, ...rest] = line.trim().split(/\s+/)
    if (server === undefined || fingerprint === undefined || rest.length > 0) return []
    return [[server, fingerprint] as const]
  })
}
