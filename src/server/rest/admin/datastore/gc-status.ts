/** What the last garbage collection left in `.gc-status` of the datastore. */
import { join } from 'node:path'
import { isSystemError } from '../../../../base/errors.ts'
import type { Datastore } from '../../../../datastore/datastore.ts'

/** The file is small; more than this is not one. */
const STATUS_SIZE_MAX = 65_536

const NEVER_RUN = Object.freeze({
  upid: null,
  'index-file-count': 0,
  'index-data-bytes': 0,
  'disk-bytes': 0,
  'disk-chunks': 0,
  'removed-bytes': 0,
  'removed-chunks': 0,
  'pending-bytes': 0,
  'pending-chunks': 0,
  'removed-bad': 0,
  'still-bad': 0,
})

/** The status as REST shows it; zeros when there was no run or the file cannot be read as JSON. */
export async function readGcStatus({ fs, path }: Datastore): Promise<Record<string, unknown>> {
  try {
    const bytes = await fs.readFile(join(path, '.gc-status'), STATUS_SIZE_MAX)
    const status: unknown = JSON.parse(new TextDecoder().decode(bytes))
    if (typeof status !== 'object' || status === null || Array.isArray(status)) return NEVER_RUN
    return { ...NEVER_RUN, ...status }
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || error instanceof SyntaxError) return NEVER_RUN
    throw error
  }
}
