/**
 * Removal of a datastore from the configuration. Order: what refers to it goes first (jobs, rights), the entry last;
 * until then its maintenance mode keeps everybody out. Source: rest-api.md 4.9 (DELETE).
 */
import { removeAclSubtree } from './acl.ts'
import type { ConfigFiles } from './config-files.ts'
import { findDatastore, removeDatastore } from './datastores.ts'
import { errors } from './errors.ts'
import { changeSection, propertiesOf, removeSection, sectionsOf } from './section-config.ts'
import { DATASTORE_FILE, sectionFile } from './section-file.ts'

const JOB_FILES = ['sync', 'prune', 'verification'].map(sectionFile)

export interface DatastoreRemovalOptions {
  readonly keepJobs: boolean
  readonly digest?: string | undefined
  /** Runs while nobody new gets in; an error leaves the datastore in maintenance mode `delete`. */
  readonly whileClosed?: () => Promise<void>
}

/** Removes `name`, its jobs and rights. Errors: DATASTORE_MISSING, CONFIG_MODIFIED. */
export async function removeDatastoreConfig(
  files: ConfigFiles,
  name: string,
  options: DatastoreRemovalOptions,
): Promise<void> {
  await closeForRemoval(files, name, options)
  await options.whileClosed?.()
  if (!options.keepJobs) {
    await removeJobs(files, name)
    await removeAclSubtree(files, `/datastore/${name}`)
  }
  await removeDatastore(files, name)
}

/** Sets the mode `delete`, from which only a removal leads on. Errors: DATASTORE_MISSING, CONFIG_MODIFIED. */
export async function closeForRemoval(
  files: ConfigFiles,
  name: string,
  options: { readonly digest?: string | undefined },
): Promise<void> {
  if ((await findDatastore(files, name)) === null) throw errors.DATASTORE_MISSING({ name })
  const close = new Map([['maintenance-mode', 'delete']])
  await files.update(
    DATASTORE_FILE,
    (config) => changeSection(config, { type: 'datastore', id: name }, close),
    { digest: options.digest },
  )
}

async function removeJobs(files: ConfigFiles, name: string): Promise<void> {
  for (const file of JOB_FILES) {
    await files.update(file, (config) => {
      const jobs = sectionsOf(config).filter((job) => propertiesOf(job).get('store') === name)
      return jobs.reduce((left, { type, id }) => removeSection(left, { type, id }), config)
    })
  }
}
