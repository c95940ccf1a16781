/**
 * Manifests in a bucket without any of the files that they name: PUTs that were executed after the snapshot had been given
 * up or removed (races.md ). Taken for finished, such a snapshot would be a base, and prune would keep it in
 * place of a good one.
 */
import { MANIFEST_NAME } from '../../formats/archive-name.ts'
import { decodeManifestBlob } from '../../formats/manifest.ts'
import type { Datastore } from '../datastore.ts'
import { SNAPSHOT_FILE } from '../layout.ts'

/** Hears the paths of a list in their order; keeps one folder at a time. */
export class LoneManifests {
  /** Folders with a manifest and no other file of a snapshot. */
  readonly folders: string[] = []
  #folder = ''
  #hasManifest = false
  #hasOther = false

  note(path: string): void {
    const end = path.lastIndexOf('/')
    const folder = path.slice(0, Math.max(0, end))
    if (folder !== this.#folder) this.end()
    this.#folder = folder
    const name = path.slice(end + 1)
    if (name === MANIFEST_NAME) this.#hasManifest = true
    else if (SNAPSHOT_FILE.test(name)) this.#hasOther = true
  }

  /** To be called after the last path. */
  end(): void {
    if (this.#hasManifest && !this.#hasOther) this.folders.push(this.#folder)
    this.#hasManifest = false
    this.#hasOther = false
  }
}

/** Removes the manifest that came alone into `folder`, if it names files; whether it did. One of nothing stays. */
export async function dropLoneManifest({ fs }: Datastore, folder: string): Promise<boolean> {
  const path = `${folder}/${MANIFEST_NAME}`
  if (!(await namesFiles(await fs.readFile(path)))) return false
  await fs.unlink(path)
  return true
}

/** One that cannot be read is shown as it is. */
async function namesFiles(blob: Uint8Array): Promise<boolean> {
  try {
    return (await decodeManifestBlob(blob)).files.length > 0
  } catch {
    return false
  }
}
