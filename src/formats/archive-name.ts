/** Names of the files of a snapshot, and what their last extension says (formats.md 6.7). */
import { errors } from './errors.ts'

export const MANIFEST_NAME = 'index.json.blob'
export const CLIENT_LOG_NAME = 'client.log.blob'
export const CATALOG_NAME = 'catalog.pcat1.didx'
export const ENCRYPTED_KEY_NAME = 'rsa-encrypted.key.blob'

/** What a stored file is. */
export type ArchiveKind = 'fixed' | 'dynamic' | 'blob'

export interface ArchiveName {
  /** As the client sees it: `root.pxar`, `drive-scsi0.img`, `qemu-server.conf`. */
  readonly name: string
  readonly kind: ArchiveKind
}

const KINDS: ReadonlyMap<string, ArchiveKind> = new Map([
  ['fidx', 'fixed'],
  ['didx', 'dynamic'],
  ['blob', 'blob'],
])

/** What the server appends to a client name of this extension. */
const SERVER_EXTENSIONS: ReadonlyMap<string, string> = new Map([
  ['fidx', ''],
  ['didx', ''],
  ['blob', ''],
  ['pxar', '.didx'],
  ['mpxar', '.didx'],
  ['ppxar', '.didx'],
  ['pcat1', '.didx'],
  ['img', '.fidx'],
  ['conf', '.blob'],
  ['json', '.blob'],
  ['key', '.blob'],
  ['log', '.blob'],
])

/** The parts of a file name on the server, or null if it is no file of a snapshot (`owner`, `x.tmp_didx`). */
export function parseArchiveName(fileName: string): ArchiveName | null {
  const kind = KINDS.get(extensionOf(fileName))
  return kind === undefined ? null : { name: fileName.slice(0, -5), kind }
}

/** The kind of file `fileName` on the server; throws ARCHIVE_TYPE_UNKNOWN with stock's text. */
export function archiveKind(fileName: string): ArchiveKind {
  const kind = KINDS.get(extensionOf(fileName))
  if (kind === undefined) throw errors.ARCHIVE_TYPE_UNKNOWN({ text: fileName })
  return kind
}

/**
 * The file name on the server of an archive as the user names it: `root.pxar` gives `root.pxar.didx`, full names
 * stay. Throws ARCHIVE_NAME_INVALID with stock's text for an unknown extension.
 */
export function serverArchiveName(name: string): string {
  const extension = SERVER_EXTENSIONS.get(extensionOf(name))
  if (extension === undefined) throw errors.ARCHIVE_NAME_INVALID({ text: name })
  return name + extension
}

// As in stock, a name that only begins with a dot has no extension.
function extensionOf(name: string): string {
  const dot = name.lastIndexOf('.')
  return dot <= 0 ? '' : name.slice(dot + 1)
}
