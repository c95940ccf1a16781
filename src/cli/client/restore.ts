/** `restore` (spec cli 4.3). */
import { chooseEncryption } from '../../client/encryption.ts'
import { restore } from '../../client/restore/restore.ts'
import { chooseSnapshot } from '../../client/snapshot-choice.ts'
import { command, flag, list, optional, text } from '../command.ts'
import {
  type ClientContext,
  connect,
  cryptModeParameter,
  keyParameters,
  namespaceOf,
  namespaceParameters,
  paceOf,
  rateParameters,
  repositoryParameters,
} from './common.ts'

export const restoreCommand = command({
  path: 'restore',
  summary: 'Restore backup repository.',
  positionals: ['snapshot', 'archive-name', 'target'],
  parameters: {
    ...repositoryParameters,
    ...namespaceParameters,
    ...keyParameters,
    ...cryptModeParameter,
    ...rateParameters,
    snapshot: text('Group/Snapshot path.'),
    'archive-name': text('Backup archive name.'),
    target: text("Target directory path. Use '-' to write to standard output."),
    pattern: list(text('Path or match pattern to limit files that get restored.'), {
      isOptional: true,
    }),
    'allow-existing-dirs': flag('Do not fail if directories already exists.', { byDefault: false }),
    overwrite: flag('Overwrite already existing files.', { byDefault: false }),
    'overwrite-files': flag('Overwrite already existing regular files.', { byDefault: false }),
    'overwrite-symlinks': flag('Overwrite already existing entries by symlink.', {
      byDefault: false,
    }),
    'overwrite-hardlinks': flag('Overwrite already existing entries by hardlink.', {
      byDefault: false,
    }),
    'ignore-acls': flag('Ignore ACL settings.', { byDefault: false }),
    'ignore-xattrs': flag('Ignore xattr settings.', { byDefault: false }),
    'ignore-ownership': flag('Ignore owner settings.', { byDefault: false }),
    'ignore-permissions': flag('Ignore permission settings.', { byDefault: false }),
    'ignore-extract-device-errors': flag(
      'Ignore errors that occur during device node extraction.',
      { byDefault: false },
    ),
    'prelude-target': optional(text('Path to restore prelude to (pxar v2 archives only).')),
  },
  async run(args, context: ClientContext) {
    const { host } = context
    const encryption = await chooseEncryption(host, args)
    await using connection = await connect(context, args)
    const namespace = namespaceOf(context, args.ns)
    const snapshot = await chooseSnapshot(host, connection, { text: args.snapshot, namespace })
    try {
      await restore(host, connection, {
        namespace,
        snapshot,
        archive: args['archive-name'],
        target: args.target,
        encryption,
        extract: {
          patterns: args.pattern,
          allowExistingDirs: args['allow-existing-dirs'],
          overwriteFiles: args.overwrite || args['overwrite-files'],
          overwriteSymlinks: args.overwrite || args['overwrite-symlinks'],
          overwriteHardlinks: args.overwrite || args['overwrite-hardlinks'],
          ignoreAcls: args['ignore-acls'],
          ignoreXattrs: args['ignore-xattrs'],
          ignoreOwnership: args['ignore-ownership'],
          ignorePermissions: args['ignore-permissions'],
          ignoreExtractDeviceErrors: args['ignore-extract-device-errors'],
        },
        pipe: context.pipe,
        pace: paceOf(context, args),
        onProgress: (done, total) => context.progress.download(done, total),
      })
    } finally {
      context.progress.clear()
    }
  },
})
