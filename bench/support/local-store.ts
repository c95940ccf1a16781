/** A datastore in this process, as the server has it. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { silentLog } from '../../src/base/log.ts'
import { silentProgress } from '../../src/base/progress.ts'
import { systemClock } from '../../src/base/time/clock.ts'
import { createDatastore } from '../../src/datastore/create.ts'
import type { Datastore } from '../../src/datastore/datastore.ts'
import { DatastoreRegistry } from '../../src/datastore/registry.ts'
import { defaultSettings } from '../../src/datastore/settings.ts'

export interface LocalStore extends AsyncDisposable {
  readonly store: Datastore
}

/** Opens the datastore below `folder`; an empty one is made where none is. */
export async function openLocalStore(folder: string): Promise<LocalStore> {
  const path = join(folder, 'store')
  const made = { name: 'store1', path, progress: silentProgress(), chunkFolders: false }
  if (!existsSync(join(path, '.chunks'))) await createDatastore(nodeFileSystem, made)
  const registry = new DatastoreRegistry({
    fs: nodeFileSystem,
    clock: systemClock,
    log: silentLog,
    paths: { state: join(folder, 'state'), locks: join(folder, 'locks') },
    settingsOf: async () => defaultSettings(path),
  })
  const store = await registry.lookup('store1', 'write')
  return { store, [Symbol.asyncDispose]: () => registry.close() }
}
