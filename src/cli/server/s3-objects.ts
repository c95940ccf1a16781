/** `cairn s3 ls|usage` of a datastore (ours): what is in its bucket, and what that costs. */
import { formatBytes } from '../../base/human-units.ts'
import { findDatastore } from '../../config/datastores.ts'
import { errors as configErrors } from '../../config/errors.ts'
import { refused } from '../../server/errors.ts'
import { listObjects, type ObjectListing } from '../../server/s3/bucket-listing.ts'
import { type BucketUsage, readUsage } from '../../server/s3/bucket-usage.ts'
import { type Command, command, flag, optional, text } from '../command.ts'
import type { CommandContext } from '../context.ts'
import {
  openAdministration,
  outputFormat,
  placeParameters,
  type PlaceValues,
  SAFE_ID_RULES,
} from './administration.ts'
import { connectToLocalServer } from './running-server/local-server.ts'
import { withS3 } from './s3-parameters.ts'
import { withDatastore } from './with-datastore.ts'

const store = text('Name of the datastore.', { ...SAFE_ID_RULES, lengthMin: 3, lengthMax: 32 })

const listCommand = command({
  path: 's3 ls',
  summary: 'Lists the objects of a datastore in its bucket.',
  positionals: ['store', 'prefix'],
  parameters: {
    store,
    prefix: optional(text('Only keys that begin so, behind the name of the datastore.')),
    recursive: flag('What lies in folders, too.', { byDefault: false }),
    'output-format': outputFormat,
    ...placeParameters,
  },
  async run(values, context: CommandContext) {
    const { output } = context
    const format = output.format(values['output-format'])
    const all: object[] = []
    for await (const page of pages(values, context)) {
      const rows = rowsOf(page)
      if (format === 'text') for (const { key, size } of rows) output.line(lineOf(key, size))
      else all.push(...rows)
    }
    if (format !== 'text') output.result(values['output-format'], all, () => {})
  },
})

const usageCommand = command({
  path: 's3 usage',
  summary: 'Shows what a datastore has in its bucket, and how many requests it has made.',
  positionals: ['store'],
  parameters: { store, 'output-format': outputFormat, ...placeParameters },
  async run(values, context: CommandContext) {
    const usage = await readUsageOf(values, context)
    const { output } = context
    output.result(values['output-format'], usage, () => output.properties(usageRows(usage)))
  },
})

export const s3ObjectCommands: readonly Command<CommandContext>[] = [listCommand, usageCommand]

/** Straight from the bucket: the server is not asked, and not in the way. */
async function* pages(
  values: PlaceValues & {
    readonly store: string
    readonly prefix: string | undefined
    readonly recursive: boolean
  },
  context: CommandContext,
): AsyncIterable<ObjectListing> {
  const { files } = await openAdministration(values, context)
  const { store: name, prefix, recursive: isRecursive } = values
  const config = await findDatastore(files, name)
  if (config === null) throw configErrors.DATASTORE_UNKNOWN({ name })
  const { backend } = config
  if (backend.kind !== 's3') throw refused(`store '${name}' not backed by S3`)
  for (let after: string | null | undefined; after !== null; ) {
    context.signal.throwIfAborted()
    const options = { store: name, prefix, isRecursive, ...(after === undefined ? {} : { after }) }
    const page: ObjectListing = await withS3(
      values,
      context,
      async (s3) =>
        await s3.withBucket(
          { ...backend, prefix: name },
          async (objects) => await listObjects(objects, options),
        ),
    )
    yield page
    after = page.next
  }
}

function rowsOf({ objects, folders }: ObjectListing): { key: string; size: number | null }[] {
  const rows = [...objects, ...folders.map((key) => ({ key, size: null, modified: null }))]
  return rows.toSorted((a, b) => (a.key < b.key ? -1 : 1))
}

function lineOf(key: string, size: number | null): string {
  return `${(size === null ? 'folder' : String(size)).padStart(10)}  ${key}`
}

/** From the server that has the datastore open; without one it is opened here. */
async function readUsageOf(
  values: PlaceValues & { readonly store: string },
  context: CommandContext,
): Promise<BucketUsage> {
  const administration = await openAdministration(values, context)
  const name = values.store
  if ((await findDatastore(administration.files, name)) === null) {
    throw configErrors.DATASTORE_UNKNOWN({ name })
  }
  const connection = await connectToLocalServer(administration, context, name)
  if (connection !== null) {
    await using server = connection
    const { data } = await server.get(`admin/datastore/${encodeURIComponent(name)}/s3-usage`)
    return data as BucketUsage
  }
  return await withDatastore(
    administration,
    { name, operation: 'read' },
    async (opened, { s3 }) => await readUsage(s3, opened, context.signal),
  )
}

function usageRows({ requests, chunks, cache }: BucketUsage) {
  const { uploaded, downloaded, ...counts } = requests
  const atLeast = chunks.known ? '' : 'at least '
  return [
    ...Object.entries(counts).map(([name, count]) => [`${name.toUpperCase()} requests`, count]),
    ['uploaded', formatBytes(uploaded)],
    ['downloaded', formatBytes(downloaded)],
    ['chunks', `${atLeast}${chunks.objects}`],
    ['size of chunks', `${atLeast}${formatBytes(chunks.bytes)}`],
    ['cached chunks', cache === null ? 'no cache' : cache.chunks],
    ['size of cache', cache === null ? undefined : formatBytes(cache.bytes)],
    ['limit of cache', limitOf(cache)],
  ] as const satisfies readonly (readonly unknown[])[] as readonly (readonly [string, unknown])[]
}

function limitOf(cache: BucketUsage['cache']): string | undefined {
  if (cache === null) return undefined
  const limit = cache['bytes-max']
  return limit === null ? 'free space' : formatBytes(limit)
}
