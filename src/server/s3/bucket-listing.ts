/** One page of the objects of a datastore (`cairn s3 ls`). */
import type { ObjectStore } from '../../storage/object-store.ts'

export interface ObjectListing {
  readonly objects: readonly {
    /** Behind the name of the datastore. */
    readonly key: string
    readonly size: number
    /** Unix seconds, by the store's clock. */
    readonly modified: number
  }[]
  readonly folders: readonly string[]
  /** To be given as `after` for the next page; null: this was the last. */
  readonly next: string | null
}

export interface ListingOptions {
  /** Name of the datastore. */
  readonly store: string
  /** Below it; default all. */
  readonly prefix?: string | undefined
  readonly after?: string | undefined
  /** Default false: what lies in folders is shown as the folder. */
  readonly isRecursive?: boolean | undefined
}

/** One request. Errors: those of ObjectStore. */
export async function listObjects(
  objects: ObjectStore,
  { store, prefix = '', after, isRecursive = false }: ListingOptions,
): Promise<ObjectListing> {
  const root = `${store}/`
  const shown = (key: string): string => key.slice(root.length)
  const options = {
    ...(after === undefined ? {} : { after: `${root}${after}` }),
    ...(isRecursive ? {} : ({ delimiter: '/' } as const)),
  }
  for await (const page of objects.list(`${root}${prefix}`, options)) {
    const keys = [...page.objects.map(({ key }) => key), ...page.folders].toSorted()
    const last = keys.at(-1)
    return {
      objects: page.objects.map(({ key, size, modifiedMs }) => ({
        key: shown(key),
        size,
        modified: Math.floor(modifiedMs / 1000),
      })),
      folders: page.folders.map(shown),
      next: last === undefined ? null : nextOf(shown(last)),
    }
  }
  return { objects: [], folders: [], next: null }
}

/** Behind everything in a folder. */
function nextOf(last: string): string {
  return last.endsWith('/') ? `${last}\uffff` : last
}
