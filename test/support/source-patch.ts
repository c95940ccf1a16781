/**
 * Replaces exact texts in source files of a process of its own: how mutations are made and guards taken out without any
 * hook in src. A text that is not there exactly once ends the process, so a patch cannot go stale unnoticed.
 *
 * `patchedEnvironment(patches)` makes a child (and whatever Node process or thread that starts) load this module first;
 * the module installs what the environment names. Without that variable it does nothing.
 */
import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface SourcePatch {
  /** Names it in messages, as `R-31`. */
  readonly id: string
  /** Relative to the repository, as `src/datastore/chunk-store.ts`. */
  readonly file: string
  /** Occurs exactly once in the file. */
  readonly find: string
  readonly replace: string
}

const ROOT = join(import.meta.dirname, '..', '..')
const VARIABLE = 'CAIRN_TEST_SOURCE_PATCHES'
const SCRIPT_FORMATS: readonly unknown[] = ['module', 'module-typescript']

/** `source` of `file` with all of `patches` that name it, one after the other; throws if one does not fit. */
export function patchSource(file: string, source: string, patches: readonly SourcePatch[]): string {
  let text = source
  for (const patch of patches) {
    if (patch.file !== file) continue
    const count = text.split(patch.find).length - 1
    if (count !== 1) {
      throw new Error(`patch '${patch.id}': its text occurs ${count} times in ${file}, expected 1`)
    }
    text = text.replace(patch.find, () => patch.replace)
  }
  return text
}

/** Throws if a patch does not fit the file as it is on the disk. */
export function checkPatches(patches: readonly SourcePatch[]): void {
  for (const file of new Set(patches.map((patch) => patch.file))) {
    patchSource(file, readFileSync(join(ROOT, file), 'utf8'), patches)
  }
}

/** Environment of a child process in which `patches` are active; throws if one does not fit. */
export function patchedEnvironment(
  patches: readonly SourcePatch[],
  environment: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  checkPatches(patches)
  const options = [environment.NODE_OPTIONS ?? '', `--import=${import.meta.url}`]
  return {
    ...environment,
    NODE_OPTIONS: options.join(' ').trim(),
    [VARIABLE]: JSON.stringify(patches),
  }
}

/** `node <args>` with `patches` active; `options` are those of `spawn`. */
export function spawnPatched(
  patches: readonly SourcePatch[],
  args: readonly string[],
  options: SpawnOptions = {},
): ChildProcess {
  const env = patchedEnvironment(patches, options.env)
  return spawn(process.execPath, args, { ...options, env })
}

/**
 * Makes modules that this process loads from now on carry `patches`. For programs that load the code under test
 * themselves, later than this; everything else takes `patchedEnvironment`.
 */
export function installPatches(patches: readonly SourcePatch[]): void {
  checkPatches(patches)
  const files = new Set(patches.map((patch) => patch.file))
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      const file = fileOf(url)
      if (file === null || !files.has(file)) return loaded
      const { format, source } = loaded
      if (!SCRIPT_FORMATS.includes(format) || source === undefined || source === null) {
        throw new Error(`cannot patch ${file}: it was loaded as '${String(format)}'`)
      }
      const text =
        typeof source === 'string' ? source : Buffer.from(source as Uint8Array).toString()
      return { ...loaded, source: patchSource(file, text, patches) }
    },
  })
}

/** Path in the repository of a module's URL (a query is ignored); null for others. */
export function fileOf(url: string): string | null {
  if (!url.startsWith('file:')) return null
  const path = relative(ROOT, fileURLToPath(url.replace(/[?#].*$/, '')))
  return path.startsWith('..') ? null : path
}

const ordered = process.env[VARIABLE]
if (ordered !== undefined) installPatches(JSON.parse(ordered) as SourcePatch[])
