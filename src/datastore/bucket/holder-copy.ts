/**
 * A copy of the ledger's holder in the datastore's folder, so that a folder that was rolled back is noticed, and a
 * ledger that was lost can be made anew (races.md R-59). It is written before the ledger: it is never behind it.
 */
import { isSystemError } from '../../base/errors.ts'
import { atomicWrite } from '../../base/fs/atomic-write.ts'
import type { FileSystem } from '../../base/fs/file-system.ts'
import type { LedgerHolder } from '../../storage/ledger.ts'
import type { Owner } from '../store-files.ts'
import { HOLDER_OBJECT } from './keys.ts'

const MODE = 0o600
const SIZE_MAX = 65_536

export class HolderCopy {
  readonly #fs: FileSystem
  readonly #path: string
  readonly #owner: Owner | undefined

  constructor(
    fs: FileSystem,
    options: { readonly path: string; readonly owner?: Owner | undefined },
  ) {
    this.#fs = fs
    this.#path = `${options.path}/${HOLDER_OBJECT}`
    this.#owner = options.owner
  }

  /** Null: there is none, or it is damaged. */
  async read(): Promise<LedgerHolder | null> {
    let bytes: Uint8Array
    try {
      bytes = await this.#fs.readFile(this.#path, SIZE_MAX)
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return null
      throw error
    }
    try {
      return parse(JSON.parse(Buffer.from(bytes).toString()))
    } catch {
      return null
    }
  }

  /** On stable storage when it resolves. */
  async write(holder: LedgerHolder): Promise<void> {
    const data = Buffer.from(`${JSON.stringify(holder)}\n`)
    await atomicWrite(this.#fs, this.#path, data, { mode: MODE, owner: this.#owner, durable: true })
  }

  async remove(): Promise<void> {
    await this.#fs.removeTree(this.#path)
  }
}

function parse(value: unknown): LedgerHolder | null {
  if (typeof value !== 'object' || value === null) return null
  const { holderId, generation, nonce, pending } = value as Record<string, unknown>
  if (typeof holderId !== 'string' || typeof generation !== 'number' || typeof nonce !== 'string') {
    return null
  }
  return { holderId, generation, nonce, pending: parsePending(pending) }
}

function parsePending(value: unknown): LedgerHolder['pending'] {
  if (typeof value !== 'object' || value === null) return null
  const { generation, nonce } = value as Record<string, unknown>
  if (typeof generation !== 'number' || typeof nonce !== 'string') return null
  return { generation, nonce }
}
