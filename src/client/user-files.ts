/** Where the client keeps its few files on this machine (spec cli 2.5); shared with stock's client. */
import { join } from 'node:path'
import { isSystemError } from '../base/errors.ts'
import { errors } from './errors.ts'
import type { ClientHost, Environment } from './host.ts'

const FOLDER = 'proxmox-backup'
export const KEY_FILE = 'encryption-key.json'
export const MASTER_KEY_FILE = 'master-public.pem'
const RUNTIME_FOLDER_MODE = 0o700
/** `S_IFDIR`, which the text shows. */
const FOLDER_TYPE = 0o40000
/** All of these files are small; more is not ours. */
const FILE_SIZE_MAX = 1024 * 1024

/** `$XDG_CONFIG_HOME/proxmox-backup/<name>`; null without a home. */
export function configPath(environment: Environment, name: string): string | null {
  return below(environment, 'XDG_CONFIG_HOME', ['.config', name])
}

/** `$XDG_CACHE_HOME/proxmox-backup/<name>`; null without a home. */
export function cachePath(environment: Environment, name: string): string | null {
  return below(environment, 'XDG_CACHE_HOME', ['.cache', name])
}

/** `$XDG_RUNTIME_DIR/proxmox-backup/<name>`; null where there is no such folder. */
export function runtimePath(environment: Environment, name: string): string | null {
  const folder = environment['XDG_RUNTIME_DIR']
  return folder === undefined || folder === '' ? null : join(folder, FOLDER, name)
}

/**
 * Refuses a `$XDG_RUNTIME_DIR` that others may look into, as the rules of that variable want; one
 * that does not exist is made by whoever writes. @throws RUNTIME_FOLDER_OPEN
 */
export async function checkRuntimeFolder(host: ClientHost): Promise<void> {
  const path = host.environment['XDG_RUNTIME_DIR']
  if (path === undefined || path === '') return
  const mode = await modeOf(host, path)
  if (mode !== null && (mode & 0o777) !== RUNTIME_FOLDER_MODE) {
    throw errors.RUNTIME_FOLDER_OPEN({ path, mode: FOLDER_TYPE | (mode & 0o7777) })
  }
}

async function modeOf(host: ClientHost, path: string): Promise<number | null> {
  try {
    return (await host.fs.stat(path)).mode
  } catch (error) {
    if (isSystemError(error)) return null
    throw error
  }
}

/** The first existing `<name>` along the configuration search path, or null. */
export async function findConfigFile(host: ClientHost, name: string): Promise<string | null> {
  const own = configPath(host.environment, name)
  const shared = (host.environment['XDG_CONFIG_DIRS'] || '/etc/xdg').split(':')
  const paths = [...(own === null ? [] : [own]), ...shared.map((at) => join(at, FOLDER, name))]
  for (const path of paths) {
    if (await isFile(host, path)) return path
  }
  return null
}

/** Its text, or null if it is missing or cannot be read: these files are best effort. */
export async function readUserFile(host: ClientHost, path: string): Promise<string | null> {
  try {
    return Buffer.from(await host.fs.readFile(path, FILE_SIZE_MAX)).toString('utf8')
  } catch {
    return null
  }
}

async function isFile(host: ClientHost, path: string): Promise<boolean> {
  try {
    return (await host.fs.stat(path)).kind === 'file'
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return false
    throw error
  }
}

function below(
  environment: Environment,
  variable: string,
  [fallback, name]: readonly [string, string],
): string | null {
  const folder = environment[variable]
  if (folder !== undefined && folder !== '') return join(folder, FOLDER, name)
  const home = environment['HOME']
  return home === undefined || home === '' ? null : join(home, fallback, FOLDER, name)
}
