/** The tree of a datastore as objects of its bucket (formats.md 10.1, 10.2; races.md ). */
import { MANIFEST_NAME } from '../../formats/archive-name.ts'
import type { Clock } from '../../base/time/clock.ts'
import { type Ledger, REQUEST_LIFE_MS, type Suspect } from '../../storage/ledger.ts'
import type { ObjectStore, PutCondition } from '../../storage/object-store.ts'
import type { ProbeVerdict } from '../../storage/s3/verdict.ts'
import { errors } from '../errors.ts'
import { deleteObjects } from './delete-objects.ts'
import { contentKey, contentPath } from './keys.ts'
import type { RemoteTree, RemoteWriteOptions, RemoveTreeOptions } from './remote-tree.ts'

export interface ObjectTreeOptions {
  readonly objects: ObjectStore
  readonly ledger: Ledger
  readonly verdict: ProbeVerdict
  readonly prefix: string
  readonly clock: Clock
}

/** Only late attempts of ourselves compete, and each can win once. */
const WRITE_ATTEMPTS_MAX = 4
const NOTHING = new Uint8Array()

export class ObjectTree implements RemoteTree {
  readonly #options: ObjectTreeOptions

  constructor(options: ObjectTreeOptions) {
    this.#options = options
  }

  async write(path: string, bytes: Uint8Array, options: RemoteWriteOptions = {}): Promise<void> {
    const { objects } = this.#options
    const { isNew = false, replaces = false, signal } = options
    const key = this.#key(path)
    await this.#checkNotSuspect(key)
    let etag = isNew ? null : ((await objects.head(key, { signal }))?.etag ?? null)
    for (let attempt = 0; attempt < WRITE_ATTEMPTS_MAX; attempt += 1) {
      if (replaces && etag === null) throw errors.BUCKET_OBJECT_GONE({ place: objects.place, key })
      const condition = this.#conditionFor(etag)
      const { outcome } = await objects.put(key, bytes, { condition, signal })
      if (outcome === 'written') return
      // An attempt whose answer was lost came through, or one of an earlier write.
      const there = await objects.get(key, { signal })
      if (there !== null && Buffer.compare(there.body, bytes) === 0) return
      etag = there?.etag ?? null
    }
    throw errors.BUCKET_OBJECT_CHANGES({ place: objects.place, key })
  }

  async mark(path: string, signal?: AbortSignal): Promise<void> {
    const key = this.#key(path)
    await this.#checkNotSuspect(key)
    const condition = this.#conditionFor(null)
    await this.#options.objects.put(key, NOTHING, { condition, signal })
  }

  async read(path: string, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer> | null> {
    return (await this.#options.objects.get(this.#key(path), { signal }))?.body ?? null
  }

  async isEmpty(folder: string, signal?: AbortSignal): Promise<boolean> {
    for await (const page of this.#options.objects.list(`${this.#key(folder)}/`, { signal })) {
      if (page.objects.length > 0) return false
    }
    return true
  }

  async namesIn(folder: string, signal?: AbortSignal): Promise<ReadonlySet<string>> {
    const start = `${this.#key(folder)}/`
    const names = new Set<string>()
    for await (const page of this.#options.objects.list(start, { signal })) {
      for (const { key } of page.objects) names.add(key.slice(start.length))
    }
    return names
  }

  async remove(path: string, signal?: AbortSignal): Promise<void> {
    await deleteObjects(this.#options, [this.#key(path)], signal)
  }

  async removeTree(folder: string, options: RemoveTreeOptions = {}): Promise<void> {
    const { onBegin, signal } = options
    const manifests: string[] = []
    const others: string[] = []
    const { objects } = this.#options
    for await (const page of objects.list(`${this.#key(folder)}/`, { signal })) {
      for (const { key } of page.objects) {
        if (key.endsWith(`/${MANIFEST_NAME}`)) manifests.push(key)
        else others.push(key)
      }
    }
    if (manifests.length + others.length > 0) await onBegin?.()
    await deleteObjects(this.#options, manifests, signal)
    await deleteObjects(this.#options, others, signal)
  }

  async copy(from: string, to: string, signal?: AbortSignal): Promise<boolean> {
    const target = this.#key(to)
    await this.#checkNotSuspect(target)
    const { objects, verdict } = this.#options
    if (verdict.copies) return (await objects.copy(this.#key(from), target, { signal })).isFound
    const bytes = await this.read(from, signal)
    if (bytes !== null) await this.write(to, bytes, { isNew: true, signal })
    return bytes !== null
  }

  async checkUsable(folder: string): Promise<void> {
    const start = `${this.#key(folder)}/`
    const { ledger } = this.#options
    for (const suspect of await ledger.suspects()) {
      if (suspect.key.startsWith(start)) await this.#checkOver(suspect)
    }
  }

  async #checkNotSuspect(key: string): Promise<void> {
    const { ledger } = this.#options
    if (!ledger.isSuspect(key)) return
    for (const suspect of await ledger.suspects()) {
      if (suspect.key === key) await this.#checkOver(suspect)
    }
  }

  /** Acquits what can be executed no more. */
  async #checkOver({ key, lastMs }: Suspect): Promise<void> {
    const { ledger, clock, prefix } = this.#options
    const endMs = lastMs + REQUEST_LIFE_MS
    if (clock.now() < endMs) {
      throw errors.SNAPSHOT_SUSPECT({ path: contentPath(prefix, key) ?? key, endMs })
    }
    await ledger.acquit([key])
  }

  /** Where the store does not honour it, the caller's lock has to do. */
  #conditionFor(etag: string | null): PutCondition {
    const { verdict } = this.#options
    if (etag === null) return { kind: verdict.honoursIfNoneMatch ? 'absent' : 'always' }
    return verdict.ifMatch === null ? { kind: 'always' } : { kind: 'unchanged', etag }
  }

  #key(path: string): string {
    return contentKey(this.#options.prefix, path)
  }
}
