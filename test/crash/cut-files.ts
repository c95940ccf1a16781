/** What the rounds of power cuts look at below the datastore's folder, behind the server's back. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { isSystemError } from '../../src/base/errors.ts'
import { FIRST_DATASTORE } from '../../src/config/first-start.ts'
import { formatBackupTime } from '../../src/formats/backup-time.ts'
import { namespaceFolder, parseNamespace } from '../../src/formats/namespace.ts'
import type { CairnData } from '../support/cairn-data.ts'
import { snapshotOf } from '../support/small-backups.ts'
import { FIRST_GROUP } from './cut-calls.ts'
import type { CutModel } from './cut-model.ts'

const FILES = ['disk.img.fidx', 'host.conf.blob', 'index.json.blob', 'root.pxar.didx']
const RESTS = /^index\.json\.blob\.tmp_|^\.protected$/
/** No encoded chunk begins or ends in so many zeros by chance. */
const ZERO_COUNT = 16

/** Every folder of a group holds snapshots that the model has, whole, and nothing else. */
export function checkNothingHalf(
  data: CairnData,
  { model, namespaces }: { readonly model: CutModel; readonly namespaces: readonly string[] },
): void {
  for (const namespace of namespaces) {
    const below = namespaceFolder(parseNamespace(namespace))
    const folder = join(data.data, FIRST_DATASTORE, below, 'host')
    for (const id of existsSync(folder) ? readdirSync(folder) : []) {
      const backups = model.backups.filter(
        ({ group = FIRST_GROUP, namespace: ns = '' }) => group === `host/${id}` && ns === namespace,
      )
      const names = backups.map(({ number }) => formatBackupTime(snapshotOf(number).time))
      const found = readdirSync(join(folder, id)).filter((name) => name !== 'owner')
      assert.deepEqual(found.toSorted(), names.toSorted(), `in ${namespace}:host/${id}`)
      for (const name of names) {
        // Of a manifest that was about to be replaced: nobody reads it, it goes with the snapshot. A flag that was on its way.
        const files = readdirSync(join(folder, id, name)).filter((file) => !RESTS.test(file))
        assert.deepEqual(files.toSorted(), FILES, name)
      }
    }
  }
  const journal = join(data.paths.state, 'datastores', FIRST_DATASTORE, 'sessions')
  const entries = existsSync(journal) ? readdirSync(journal) : []
  assert.deepEqual(
    entries.filter((name) => name.endsWith('.json')),
    [],
    'journal entries',
  )
}

/** Names of the chunk files below `chunks`. */
export function chunkNames(chunks: string): Set<string> {
  return new Set(readdirSync(chunks).flatMap((prefix) => readdirSync(join(chunks, prefix))))
}

/** Of `paths`, the chunk files that are empty, begin or end in zeros: a power cut made them so, for no chunk does. */
export function countDamaged(paths: Iterable<string>): number {
  let count = 0
  for (const path of paths) {
    if (path.includes('.tmp_') || !existsSync(path)) continue
    const bytes = readFileSync(path)
    const ends = [bytes.subarray(0, ZERO_COUNT), bytes.subarray(-ZERO_COUNT)]
    if (ends.some((end) => end.every((byte) => byte === 0))) count += 1
  }
  return count
}

/** Every new chunk makes a folder: hundreds of empty ones would be most of what a collection looks at. */
export function removeEmptyFolders(chunks: string): void {
  for (const prefix of readdirSync(chunks)) {
    try {
      rmdirSync(join(chunks, prefix))
    } catch (error) {
      if (!isSystemError(error, 'ENOTEMPTY')) throw error
    }
  }
}
