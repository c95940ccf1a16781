/**
 * Datastores and their options: `datastore.cfg`. A stored value that cannot be read counts as its default where that
 * is harmless; an unreadable maintenance mode takes the datastore offline. Source: rest-api.md 4.9.
 */
import { isUtf8 } from 'node:buffer'
import { isAbsolute, relative, resolve } from 'node:path'
import type { ConfigFiles } from './config-files.ts'
import { backendOf, type StoredBackend } from './datastore-backend.ts'
import { checkDatastoreOptions, MAINTENANCE_TYPES } from './datastore-options.ts'
import { errors } from './errors.ts'
import { parseBoolean, parsePropertyString } from './property-string.ts'
import {
  addSection,
  changeSection,
  findSection,
  propertiesOf,
  removeSection,
  type Section,
  type SectionChanges,
  type SectionConfig,
  sectionsOf,
} from './section-config.ts'
import { DATASTORE_FILE } from './section-file.ts'
import { type Tuning, tuningOf } from './tuning.ts'

export interface Maintenance {
  readonly type: (typeof MAINTENANCE_TYPES)[number]
  /** As it is shown; the stored one may have percent escapes. */
  readonly message?: string
}

export interface DatastoreConfig {
  readonly name: string
  /** Absolute folder. */
  readonly path: string
  readonly comment: string | null
  readonly gcSchedule: string | null
  readonly verifyNew: boolean
  readonly maintenance: Maintenance | null
  readonly tuning: Tuning
  /** The property `backend`, or that it cannot be read: then nobody may take it for a plain folder. */
  readonly backend: StoredBackend
  /** Every stored property as text, without the name. */
  readonly raw: ReadonlyMap<string, string>
}

/** New values by stored key; `delete` is applied before `set`. */
export interface DatastoreChange {
  readonly set?: ReadonlyMap<string, string>
  readonly delete?: readonly string[]
  readonly digest?: string | undefined
}

/** All datastores in file order, and the digest of the file. */
export async function listDatastores(
  files: ConfigFiles,
): Promise<{ readonly datastores: readonly DatastoreConfig[]; readonly digest: string }> {
  const { value, digest } = await files.read(DATASTORE_FILE)
  return { datastores: sectionsOf(value, 'datastore').map(datastoreOf), digest }
}

/** The datastore of that name, or null. */
export async function findDatastore(
  files: ConfigFiles,
  name: string,
): Promise<DatastoreConfig | null> {
  const { value } = await files.read(DATASTORE_FILE)
  const section = findSection(value, 'datastore', name)
  return section === null ? null : datastoreOf(section)
}

/**
 * Adds a datastore. `beforeWrite` makes its folder; it runs under the lock, and an error there adds nothing.
 * Errors: DATASTORE_EXISTS, DATASTORE_PATH_RELATIVE, DATASTORE_PATH_UNSTORABLE, DATASTORE_NESTED, those of `checkDatastoreOptions`.
 */
export async function addDatastore(
  files: ConfigFiles,
  datastore: {
    readonly name: string
    readonly path: string
    readonly properties?: ReadonlyMap<string, string>
  },
  beforeWrite?: () => Promise<void>,
): Promise<void> {
  const { name, path } = datastore
  checkAbsolute(path)
  checkDatastoreOptions(datastore.properties ?? [])
  const add = async (config: SectionConfig): Promise<SectionConfig> => {
    checkNewDatastore(config, { name, path })
    await beforeWrite?.()
    const entries = [...(datastore.properties ?? []), ['path', path] as const]
    const properties: SectionChanges = new Map(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)))
    return addSection(config, { type: 'datastore', id: name, properties })
  }
  await files.update(DATASTORE_FILE, add)
}

/** The checks of a new datastore that need no folder. Errors as addDatastore. */
export async function checkAddDatastore(
  files: ConfigFiles,
  datastore: { readonly name: string; readonly path: string },
): Promise<void> {
  const { value } = await files.read(DATASTORE_FILE)
  const { name } = datastore
  if (findSection(value, 'datastore', name) !== null) throw errors.DATASTORE_EXISTS({ name })
  checkAbsolute(datastore.path)
}

/**
 * Changes options of a datastore. Errors: DATASTORE_UNKNOWN, DATASTORE_BEING_DELETED, CONFIG_MODIFIED, those of
 * `checkDatastoreOptions`.
 */
export async function changeDatastore(
  files: ConfigFiles,
  name: string,
  change: DatastoreChange,
): Promise<void> {
  checkDatastoreOptions(change.set ?? [])
  const removed = (change.delete ?? []).map((key) => [key, null] as const)
  const changes: SectionChanges = new Map([...removed, ...(change.set ?? [])])
  const apply = (config: SectionConfig): SectionConfig => {
    const section = findSection(config, 'datastore', name)
    if (section === null) throw errors.DATASTORE_UNKNOWN({ name, status: 400 })
    const isBeingDeleted = datastoreOf(section).maintenance?.type === 'delete'
    if (isBeingDeleted && changes.has('maintenance-mode')) {
      throw errors.DATASTORE_BEING_DELETED({ name })
    }
    return changeSection(config, { type: 'datastore', id: name }, changes)
  }
  await files.update(DATASTORE_FILE, apply, { digest: change.digest })
}

/** Removes the section, not the data. Errors: DATASTORE_MISSING, CONFIG_MODIFIED. */
export async function removeDatastore(
  files: ConfigFiles,
  name: string,
  options: { readonly digest?: string | undefined } = {},
): Promise<void> {
  const remove = (config: SectionConfig): SectionConfig => {
    if (findSection(config, 'datastore', name) === null) throw errors.DATASTORE_MISSING({ name })
    return removeSection(config, { type: 'datastore', id: name })
  }
  await files.update(DATASTORE_FILE, remove, options)
}

function datastoreOf(section: Section): DatastoreConfig {
  const raw = propertiesOf(section)
  return Object.freeze({
    name: section.id,
    path: raw.get('path') ?? '',
    comment: raw.get('comment') ?? null,
    gcSchedule: raw.get('gc-schedule') ?? null,
    verifyNew: parseBoolean(raw.get('verify-new') ?? '') ?? false,
    maintenance: maintenanceOf(raw.get('maintenance-mode')),
    tuning: tuningOf(propertyMap(raw.get('tuning'))),
    backend: backendOf(raw.get('backend')),
    raw,
  })
}

function maintenanceOf(text: string | undefined): Maintenance | null {
  if (text === undefined) return null
  const properties = propertyMap(text, 'type')
  const type = MAINTENANCE_TYPES.find((known) => known === properties?.get('type')) ?? 'offline'
  const message = properties?.get('message')
  return { type, ...(message === undefined ? {} : { message: withoutEscapes(message) }) }
}

/**
 * Stock's interface stores the message percent-encoded, and its texts show it decoded (datastore-semantics.md 13). What
 * is no escape stays, and so does one of bytes that are no text.
 */
function withoutEscapes(message: string): string {
  return message.replaceAll(/(?:%[0-9a-f]{2})+/gi, (escapes) => {
    const bytes = Buffer.from(escapes.replaceAll('%', ''), 'hex')
    return isUtf8(bytes) ? bytes.toString() : escapes
  })
}

/** Null if there is no such property or it cannot be read. */
function propertyMap(
  text: string | undefined,
  defaultKey?: string,
): ReadonlyMap<string, string> | null {
  if (text === undefined) return null
  try {
    return parsePropertyString(text, defaultKey)
  } catch {
    return null
  }
}

function checkAbsolute(path: string): void {
  if (!isAbsolute(path)) throw errors.DATASTORE_PATH_RELATIVE({ path })
  // A line of the file keeps neither; the folder would not be found again.
  if (/\p{Cc}/u.test(path) || path.trim() !== path) throw errors.DATASTORE_PATH_UNSTORABLE({ path })
}

function checkNewDatastore(
  config: SectionConfig,
  datastore: { readonly name: string; readonly path: string },
): void {
  const { name, path } = datastore
  for (const other of sectionsOf(config, 'datastore').map(datastoreOf)) {
    if (other.name === name) throw errors.DATASTORE_EXISTS({ name })
    if (isBelow(path, other.path) || isBelow(other.path, path)) {
      throw errors.DATASTORE_NESTED({ other: other.name, path: other.path })
    }
  }
}

/** Whether `path` is `folder` or lies below it. */
function isBelow(path: string, folder: string): boolean {
  if (!isAbsolute(path) || !isAbsolute(folder)) return false
  const way = relative(resolve(folder), resolve(path))
  return way === '' || (way !== '..' && !way.startsWith('../') && !isAbsolute(way))
}
