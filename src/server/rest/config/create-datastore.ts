/** Creating a datastore as a task (rest-api §4.9, side effects). */
import type { Progress } from '../../../base/progress.ts'
import { addDatastore } from '../../../config/datastores.ts'
import { createDatastore } from '../../../datastore/create.ts'
import type { ServerContext } from '../../context.ts'

export interface NewDatastore {
  readonly name: string
  readonly path: string
  readonly reuse: boolean
  readonly properties: ReadonlyMap<string, string>
}

/** Makes the folder and adds the section, under the lock of the configuration. */
export async function runCreation(
  { files, fs }: ServerContext,
  { name, path, reuse, properties }: NewDatastore,
  progress: Progress,
): Promise<void> {
  // A folder that is taken over keeps its owner.
  const owner = reuse ? undefined : await files.newFileOwner()
  await addDatastore(files, { name, path, properties }, async () => {
    await createDatastore(fs, { name, path, reuse, progress, owner })
  })
}
