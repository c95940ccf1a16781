/** What a path below the simulated store is. */
import type { Inode } from './kernel/disk.ts'

export const STORE_FOLDER = '/data/store'
/** A namespace that may be a file system of its own. */
export const SPACE_FOLDER = `${STORE_FOLDER}/ns/m`
/** A link to it that the configuration may name instead. */
export const STORE_LINK = '/data/alias'
const CHUNK = /^\/data\/store\/\.chunks\/[0-9a-f]{4}\/([0-9a-f]{64})$/
const SNAPSHOT =
  /^\/data\/store\/(?:ns\/([^/]+)\/)?(host\/[^/]+)\/(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)(?:\/(.+))?$/
export const MANIFEST = 'index.json.blob'
export const INDEX_NAME = /^[a-z]+\.[fd]idx$/

export type StorePlace =
  | { readonly kind: 'chunk'; readonly digest: string }
  /** `file` is empty for the folder itself. */
  | { readonly kind: 'snapshot'; readonly key: string; readonly file: string }

export function placeOf(path: string): StorePlace | null {
  if (!path.startsWith(STORE_FOLDER)) return null
  const chunk = CHUNK.exec(path)
  if (chunk !== null) return { kind: 'chunk', digest: chunk[1] as string }
  const match = SNAPSHOT.exec(path)
  if (match === null) return null
  const [, ns = '', group, time, file = ''] = match
  return { kind: 'snapshot', key: `${ns === '' ? '' : `${ns}:`}${group}/${time}`, file }
}

/** A snapshot folder that a walk of the store finds. */
export interface VisibleSnapshot {
  /** `host/g1/2026-…`, with `m:` before it in namespace `m`. */
  readonly key: string
  readonly folder: Inode
}

/** All snapshots that are visible below the folder of a store; `isThrough` says whether mounts are entered. */
export function* visibleSnapshots(store: Inode): Generator<VisibleSnapshot> {
  yield* snapshotsOf(store, '')
  const spaces = store.entries?.get('ns')
  for (const [name, space] of through(spaces)?.entries ?? []) {
    yield* snapshotsOf(through(space) as Inode, `${name}:`)
  }
}

function* snapshotsOf(space: Inode, prefix: string): Generator<VisibleSnapshot> {
  for (const [group, folder] of space.entries?.get('host')?.entries ?? []) {
    for (const [time, snapshot] of folder.entries ?? []) {
      if (time.startsWith('.') || snapshot.entries === null) continue
      yield { key: `${prefix}host/${group}/${time}`, folder: snapshot }
    }
  }
}

function through(folder: Inode | undefined): Inode | undefined {
  return folder?.mounted ?? folder
}
