/**
 * What power cuts must find: orders of docs/ordering.md taken out one at a time, in a process of its own that then makes
 * cuts until one of them shows it.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { patchedEnvironment, type SourcePatch } from '../support/source-patch.ts'
import type { CutFileSystem } from '../support/power-cut.ts'

const RUN = join(import.meta.dirname, 'run.ts')

const NEW_CHUNKS = 'a backup of new chunks'

export interface CutMutation extends SourcePatch {
  /** The scenario that shows it; in turn with all others it would take many cuts. */
  readonly only?: string
}

export const CUT_MUTATIONS: readonly CutMutation[] = [
  {
    id: 'no sync before the manifest gets its name',
    file: 'src/datastore/sessions/publish.ts',
    find: '  await syncContent(store, options)\n',
    replace: '',
  },
  {
    id: "the snapshot's folder is not synced before the answer",
    file: 'src/datastore/sessions/publish.ts',
    find: '  await store.fs.syncFolder(options.path)\n',
    replace: '',
  },
  {
    id: 'after an unclean end no chunk is doubtful',
    only: NEW_CHUNKS,
    file: 'src/datastore/store-core.ts',
    find: 'const fresh = isUnclean ? doubtAfter(state.lastGoodSyncMs, nowMs) : null',
    replace: 'const fresh = null',
  },
  {
    id: 'a doubtful chunk counts as duplicate',
    only: NEW_CHUNKS,
    file: 'src/storage/filesystem-backend.ts',
    find: '} else if (this.#isDoubtful(digest, stat) && !(await this.#verify(digest))) {',
    replace: '} else if (stat.size < 0) {',
  },
  {
    id: 'the name of a removed snapshot is not synced',
    file: 'src/datastore/remove-snapshot.ts',
    find: '  await syncGroup(store, folder)\n',
    replace: '',
  },
  {
    id: 'a configuration file is not synced before its rename',
    file: 'src/base/fs/atomic-write.ts',
    find: '    if (options.durable) await handle.sync()\n',
    replace: '',
  },
  {
    id: 'a configuration file is not synced after its rename',
    file: 'src/base/fs/atomic-write.ts',
    find: '  if (options.durable) await fs.syncFolder(dirname(path))\n',
    replace: '',
  },
]

export interface CutMutationOptions {
  readonly kind: CutFileSystem
  readonly seed: number
  /** At most. */
  readonly count: number
  readonly folder: string
}

/** After how many cuts the mutation was found and by what, or null. */
export function findMutation(
  mutation: CutMutation,
  { kind, seed, count, folder }: CutMutationOptions,
): { readonly cutCount: number; readonly finding: string } | null {
  const options = [
    '--kind',
    kind,
    '--seed',
    `${seed}`,
    '--cuts',
    `${count}`,
    '--each',
    '1',
    '--only',
    mutation.only ?? '',
  ]
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...process.execArgv, RUN, ...options, '--folder', folder, 'cuts'],
    { encoding: 'utf8', env: patchedEnvironment([mutation]) },
  )
  if (status === 0) return null
  const lines = stderr.split('\n').filter((line) => /^\s*(\[cause\]: )?\w*Error/.test(line))
  const finding = lines.map((line) => line.trim()).join(' / ')
  return { cutCount: stdout.match(/damaged$/gm)?.length ?? 0, finding }
}
