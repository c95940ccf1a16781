/** The snapshot before this one: its manifest, and the chunks that need no upload (backup-protocol 7.1, 7.4). */
import { toError } from '../../base/errors.ts'
import { toHex } from '../../base/hex.ts'
import { formatLocalDate } from '../../base/time/local-date.ts'
import type { CryptConfig } from '../../crypto/crypt-config.ts'
import type { ArchiveIndex } from '../../formats/archive-index.ts'
import { MANIFEST_NAME } from '../../formats/archive-name.ts'
import { DigestSet } from '../../formats/digest-map.ts'
import { decodeDynamicIndex } from '../../formats/dynamic-index.ts'
import { decodeFixedIndex } from '../../formats/fixed-index.ts'
import { type Manifest, checkManifestFile, decodeManifestBlob } from '../../formats/manifest.ts'
import {
  checkManifestFingerprint,
  checkManifestSignature,
} from '../../formats/manifest-signature.ts'
import type { BackupSession, IndexKind } from '../backup-session.ts'

type Log = (line: string) => void

/** The previous manifest if it can be used with `crypt`; what stands against it is only logged. */
export async function loadPreviousManifest(
  session: BackupSession,
  crypt: CryptConfig | null,
  log: Log,
): Promise<Manifest | null> {
  const time = await previousTime(session)
  if (time === null) {
    log('No previous manifest available.')
    return null
  }
  // An old server does not know the call; its snapshot may be there all the same.
  if (time !== undefined) log(`Downloading previous manifest (${formatLocalDate(time)})`)
  let manifest: Manifest
  try {
    const blob = await session.downloadPrevious(MANIFEST_NAME)
    manifest = await decodeManifestBlob(blob)
    if (crypt !== null) checkManifestSignature(manifest, crypt)
  } catch (error) {
    log(`Couldn't download previous manifest - ${toError(error).message}`)
    return null
  }
  try {
    checkManifestFingerprint(manifest, crypt)
    return manifest
  } catch (error) {
    log(`Couldn't re-use previous manifest - ${toError(error).message}`)
    return null
  }
}

async function previousTime(session: BackupSession): Promise<number | null | undefined> {
  try {
    return await session.previousBackupTime()
  } catch {
    return undefined
  }
}

/** The previous index `archiveName`; null if there is no usable one, which is logged. */
export async function loadPreviousIndex(
  session: BackupSession,
  manifest: Manifest | null,
  archiveName: string,
  { kind, log }: { readonly kind: IndexKind; readonly log: Log },
): Promise<ArchiveIndex | null> {
  if (manifest === null) return null
  if (!manifest.files.some(({ filename }) => filename === archiveName)) {
    log(
      `Previous manifest does not contain an archive called '${archiveName}', skipping download..`,
    )
    return null
  }
  try {
    const bytes = await session.downloadPrevious(archiveName)
    const index = kind === 'fixed' ? decodeFixedIndex(bytes) : decodeDynamicIndex(bytes)
    const csum = toHex(index.computeCsum())
    checkManifestFile(manifest, { filename: archiveName, size: index.size, csum })
    return index
  } catch (error) {
    const extension = kind === 'fixed' ? '.fidx' : '.didx'
    log(`Error downloading ${extension} from previous manifest: ${toError(error).message}`)
    return null
  }
}

/** The digests of `index`, which need no upload. */
export function digestsOf(index: ArchiveIndex | null): DigestSet {
  if (index === null) return new DigestSet()
  const digests = new DigestSet({ capacity: index.count })
  for (let position = 0; position < index.count; position++) {
    const { bytes, offset } = index.digestLocation(position)
    digests.addAt(bytes, offset)
  }
  return digests
}
