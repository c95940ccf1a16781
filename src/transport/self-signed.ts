/** The certificate of the first start (rest-api.md 6.1), kept across starts. */
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { isSystemError, toError } from '../base/errors.ts'
import { atomicWrite } from '../base/fs/atomic-write.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import type { SelfSignedOptions } from './create-self-signed.ts'
import { errors } from './errors.ts'
import type { CertificatePair } from './tls.ts'

const FILE_MODE = 0o640
/** A PEM chain is a few kilobytes; more is not a certificate. */
const PEM_SIZE_MAX = 1024 * 1024

export interface CertificateFiles {
  readonly certificatePath: string
  readonly keyPath: string
  /** Owner of files that are created; the process's own if absent. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined
}

/**
 * The pair below the two paths; made and written (mode 0640) when both are missing.
 * Throws CERTIFICATE_UNREADABLE when only one is there or the two do not fit.
 */
export async function loadOrCreateCertificate(
  fs: FileSystem,
  options: SelfSignedOptions & CertificateFiles,
): Promise<CertificatePair & { readonly created: boolean }> {
  const certificatePem = await readText(fs, options.certificatePath)
  const keyPem = await readText(fs, options.keyPath)
  if (certificatePem !== null && keyPem !== null) {
    checkPair({ certificatePem, keyPem }, options.certificatePath)
    return { certificatePem, keyPem, created: false }
  }
  // A certificate that somebody ordered is worth more than our start: never overwrite one half.
  // A key without its certificate is what a crash between our two writes leaves: begin again.
  if (certificatePem !== null) {
    const reason = `its key '${options.keyPath}' is missing`
    throw errors.CERTIFICATE_UNREADABLE({ path: options.certificatePath, reason })
  }
  // What makes it is loaded when it is needed: at the first start.
  const { createSelfSigned } = await import('./create-self-signed.ts')
  const pair = await createSelfSigned(options)
  const settings = { mode: FILE_MODE, owner: options.owner, durable: true }
  // The key first: the certificate must never be visible without it.
  await atomicWrite(fs, options.keyPath, Buffer.from(pair.keyPem), settings)
  await atomicWrite(fs, options.certificatePath, Buffer.from(pair.certificatePem), settings)
  return { ...pair, created: true }
}

function checkPair({ certificatePem, keyPem }: CertificatePair, path: string): void {
  let fits: boolean
  try {
    fits = new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem))
  } catch (error) {
    const reason = toError(error).message
    throw errors.CERTIFICATE_UNREADABLE({ path, reason }, { cause: error })
  }
  if (!fits) throw errors.CERTIFICATE_UNREADABLE({ path, reason: 'the key belongs to another one' })
}

async function readText(fs: FileSystem, path: string): Promise<string | null> {
  try {
    return Buffer.from(await fs.readFile(path, PEM_SIZE_MAX)).toString('latin1')
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw error
  }
}
