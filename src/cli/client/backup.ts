/** `backup` (spec cli 4.2). */
import { unixSeconds } from '../../base/time/clock.ts'
import { type BackupOptions, backup } from '../../client/backup/backup.ts'
import {
  SPECIFICATION_PATTERN,
  checkSources,
  parseSpecification,
} from '../../client/backup/specification.ts'
import { parseExcludes } from '../../client/backup/tree-walker.ts'
import { chooseEncryption } from '../../client/encryption.ts'
import { errors } from '../../client/errors.ts'
import { openConnection } from '../../client/connection.ts'
import { needRepository } from '../../client/repository.ts'
import { parseBackupId } from '../../formats/names.ts'
import {
  choice,
  command,
  flag,
  integer,
  list,
  optional,
  text,
  withDefault,
  type ValuesOf,
} from '../command.ts'
import {
  type ClientContext,
  cryptModeParameter,
  keyParameters,
  namespaceOf,
  namespaceParameters,
  paceOf,
  rateParameters,
  repositoryParameters,
} from './common.ts'

const BACKUP_ID_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/
const CHUNK_SIZES_KIB: readonly number[] = [64, 128, 256, 512, 1024, 2048, 4096]
const DEFAULT_CHUNK_SIZE_KIB = 4096
const DEFAULT_ENTRIES_MAX = 1_048_576

const parameters = {
  ...repositoryParameters,
  ...namespaceParameters,
  ...keyParameters,
  ...cryptModeParameter,
  ...rateParameters,
  backupspec: list(
    text('Backup source specification ([<label>.<type>:<path>]).', {
      pattern: SPECIFICATION_PATTERN,
    }),
    { isOptional: false },
  ),
  'backup-type': withDefault(choice('Backup type.', ['vm', 'ct', 'host']), 'host'),
  'backup-id': optional(text('Backup ID.', { pattern: BACKUP_ID_PATTERN })),
  'backup-time': optional(integer('Backup time (Unix epoch.)', { min: 1 })),
  'master-pubkey-file': optional(text('Path to master public key.')),
  'master-pubkey-fd': optional(integer('Master public key via a file descriptor.', { min: 0 })),
  'change-detection-mode': withDefault(
    choice('How unchanged files are found.', ['legacy', 'data', 'metadata']),
    'legacy',
  ),
  'chunk-size': optional(
    integer('Chunk size in KB. Must be a power of 2.', { min: 64, max: 4096 }),
  ),
  'include-dev': list(text('Include mountpoints with same st_dev number as this path.'), {
    isOptional: true,
  }),
  'all-file-systems': flag('Include all mounted subdirectories.', { byDefault: false }),
  exclude: list(text('List of paths or patterns for matching files to exclude.'), {
    isOptional: true,
  }),
  'skip-lost-and-found': flag('Skip lost+found directory.', { byDefault: false }),
  'skip-e2big-xattr': flag('Ignore the E2BIG error when retrieving xattrs.', { byDefault: false }),
  'entries-max': withDefault(
    integer('Max number of entries to hold in memory.', { min: 0 }),
    DEFAULT_ENTRIES_MAX,
  ),
  'dry-run': flag('Just show what backup would do, but do not upload anything.', {
    byDefault: false,
  }),
  'no-cache': flag('Bypass local datastore cache for network storages.', { byDefault: false }),
} as const

export const backupCommand = command({
  path: 'backup',
  summary: 'Create (host) backup.',
  positionals: ['backupspec'],
  parameters,
  async run(args, context: ClientContext) {
    const { host } = context
    const options = await readOptions(args, context)
    const repository = await needRepository(host, args)
    const connect = () => openConnection(host, repository, { signal: context.signal })
    try {
      await backup(host, connect, options)
    } finally {
      context.progress.clear()
    }
  },
})

async function readOptions(
  args: ValuesOf<typeof parameters>,
  context: ClientContext,
): Promise<BackupOptions> {
  const { host } = context
  if (args['all-file-systems'] && args['include-dev'].length > 0) {
    throw errors.OPTIONS_CONFLICT({ option: 'all-file-systems', other: 'include-dev' })
  }
  const kibibytes = args['chunk-size'] ?? DEFAULT_CHUNK_SIZE_KIB
  const chunkSize = kibibytes * 1024
  if (!CHUNK_SIZES_KIB.includes(kibibytes)) throw errors.CHUNK_SIZE_UNSUPPORTED({ size: chunkSize })
  const mode = args['change-detection-mode']
  if (mode !== 'legacy') throw errors.MODE_NOT_BUILT({ mode })
  const specifications = args.backupspec.map(parseSpecification)
  parseExcludes({ exclude: args.exclude, onWarning: () => {} })
  const encryption = await chooseEncryption(host, args)
  await checkSources(host, specifications)
  return {
    namespace: namespaceOf(context, args.ns),
    snapshot: {
      type: args['backup-type'],
      id: parseBackupId(args['backup-id'] ?? host.nodeName),
      time: args['backup-time'] ?? unixSeconds(context.clock),
    },
    specifications,
    encryption,
    chunkSize,
    isDryRun: args['dry-run'],
    noCache: args['no-cache'],
    tree: {
      exclude: args.exclude,
      includeDev: args['all-file-systems'] ? 'all' : args['include-dev'],
      entriesMax: args['entries-max'],
      skipLostAndFound: args['skip-lost-and-found'],
      skipE2bigXattr: args['skip-e2big-xattr'],
    },
    pace: paceOf(context, args),
    onProgress: (name, state) => context.progress.upload(name, state),
  }
}
