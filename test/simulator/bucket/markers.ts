/**
 * What stock keeps in files beside a bucket, for the protocols that it tried (protocols.ts): markers of uploads, and which
 * chunks were touched; an entry of the ledger stands for its file of the chunk.
 */
import { Mutex } from '../../../src/base/async/mutex.ts'
import type { Datastore } from '../../../src/datastore/datastore.ts'
import { readIndexFile } from '../../../src/datastore/snapshot-files.ts'
import { type Digest, digestToBytes } from '../../../src/formats/digest.ts'

/** What a machine's disk has; one of each per schedule. */
class Markers {
  /** Held for a look at the files, and by a collection from its look to the answer of its DELETE. */
  readonly mutex = new Mutex()
  readonly uploads = new Set<Digest>()
  readonly touched = new Set<Digest>()

  /** Whether a collection leaves an object alone that no index names. */
  keeps(digest: Digest, isKnown: boolean): boolean {
    return isKnown ? this.touched.has(digest) : this.uploads.has(digest)
  }

  /** 4.0: everything that an index names counts as there. */
  async expectAll(store: Datastore, paths: Iterable<string>): Promise<void> {
    for (const path of paths) {
      const index = await readIndexFile(store, `${store.path}/${path}`).catch(() => null)
      for (const digest of index?.digests() ?? []) {
        const ledger = store.bucket?.ledger
        if (ledger?.knowsAt(digestToBytes(digest), 0) === null) ledger.add(digest, null)
      }
    }
  }
}

/** To be called before each schedule. */
export function resetProtocols(): void {
  Object.assign(globalThis.cairnSimulator, { markers: new Markers() })
}
