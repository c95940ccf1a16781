/**
 * What the administration commands share: where the configuration lies, as whom they act, how a task runs inside them.
 * Most work on the files of a running server directly, under the same locks; store-task.ts asks the server. Source: spec cli 9.
 */
import { hostname } from 'node:os'
import { isSystemError } from '../../base/errors.ts'
import type { FileSystem } from '../../base/fs/file-system.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import { type Progress, warningLine } from '../../base/progress.ts'
import { SUPERUSER } from '../../config/auth-id.ts'
import { ConfigFiles } from '../../config/config-files.ts'
import { ensurePlaces, type PlaceOptions, type Paths, resolvePaths } from '../../config/paths.ts'
import { formatTaskEndLine, formatTaskStatus } from '../../formats/task-status.ts'
import { TaskRegistry } from '../../tasks/task-registry.ts'
import { choice, optional, text } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { OUTPUT_FORMATS } from '../output.ts'
import { errors } from './errors.ts'

/** Options that say where everything lies; every command of `cairn` has them. */
export const placeParameters = Object.freeze({
  data: optional(text('Folder of everything that has no place of its own (default ./cairn-data).')),
  'config-dir': optional(
    text('Configuration folder; with /etc/proxmox-backup its other places are the default.'),
  ),
  'state-dir': optional(text('Folder for state that outlives a restart.')),
  'log-dir': optional(text('Folder for logs and tasks.')),
  'run-dir': optional(text('Folder for lock files.')),
})

export const outputFormat = optional(choice('Output format.', OUTPUT_FORMATS))
export const digestParameter = optional(
  text('Refuse if the configuration file has another digest.', { pattern: /^[a-f0-9]{64}$/ }),
)
/** Names and patterns of rest-api.md 1.6. */
export const USERID_RULES = {
  pattern: /^[^\s:/\p{Cc}]+@[A-Za-z0-9_][A-Za-z0-9._-]*$/u,
  lengthMin: 3,
  lengthMax: 64,
}
export const AUTH_ID_RULES = {
  ...USERID_RULES,
  pattern: /^[^\s:/\p{Cc}]+@[A-Za-z0-9_][A-Za-z0-9._-]*(?:![A-Za-z0-9_][A-Za-z0-9._-]*)?$/u,
}
export const SAFE_ID_RULES = { pattern: /^[A-Za-z0-9_][A-Za-z0-9._-]*$/ }
export const COMMENT_RULES = { pattern: /^\P{Cc}*$/u, lengthMax: 128 }

export interface PlaceValues {
  readonly data: string | undefined
  readonly 'config-dir': string | undefined
  readonly 'state-dir': string | undefined
  readonly 'log-dir': string | undefined
  readonly 'run-dir': string | undefined
}

export interface Administration {
  readonly fs: FileSystem
  readonly paths: Paths
  readonly files: ConfigFiles
}

/** The places that the options and the environment name. */
export function pathsOf(values: PlaceValues, context: CommandContext): Paths {
  const options: PlaceOptions = {
    data: values.data,
    configDir: values['config-dir'],
    stateDir: values['state-dir'],
    logDir: values['log-dir'],
    runDir: values['run-dir'],
    environmentData: context.environment['CAIRN_DATA'],
  }
  return resolvePaths(options)
}

/** Opens a configuration that is there. Errors: NO_CONFIGURATION. */
export async function openAdministration(
  values: PlaceValues,
  context: CommandContext,
): Promise<Administration> {
  const { config } = pathsOf(values, context)
  try {
    await nodeFileSystem.stat(config)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
    throw errors.NO_CONFIGURATION({ path: config })
  }
  return await makeAdministration(values, context)
}

/** Opens the configuration; folders that are missing are made. */
export async function makeAdministration(
  values: PlaceValues,
  context: CommandContext,
): Promise<Administration> {
  const paths = pathsOf(values, context)
  const fs = nodeFileSystem
  await ensurePlaces(fs, paths)
  return { fs, paths, files: new ConfigFiles({ fs, clock: context.clock, paths }) }
}

/** Runs `work` as a task of `root@pam` whose log is printed too. Errors: TASK_FAILED. */
export async function runTask(
  administration: Administration,
  context: CommandContext,
  task: { readonly type: string; readonly id: string; readonly isSilent?: boolean },
  work: (progress: Progress, upid: string) => Promise<void>,
): Promise<void> {
  const { fs, paths } = administration
  const { clock, output } = context
  const tasks = await TaskRegistry.open({ fs, clock, paths, node: hostname() })
  const print = (line: string): void => {
    if (task.isSilent !== true) output.line(line)
  }
  const { done, upid } = await tasks.start(
    { type: task.type, id: task.id, authId: SUPERUSER },
    async (running) => {
      context.signal.addEventListener('abort', () => tasks.abort(running.upid), { once: true })
      const progress: Progress = {
        signal: running.signal,
        advance: (what, count, total) => running.advance(what, count, total),
        log(line) {
          running.log(line)
          print(line)
        },
        warn(line) {
          running.warn(line)
          print(warningLine(line))
        },
      }
      await work(progress, running.upid)
    },
  )
  const { status } = await done
  print(formatTaskEndLine(status))
  if (status.kind !== 'error') return
  throw errors.TASK_FAILED({ upid, status: formatTaskStatus(status) })
}
