/** Parameters and steps that many client commands share (spec cli 4, the letters R N F K L). */
import { type Connection, openConnection } from '../../client/connection.ts'
import type { ClientHost } from '../../client/host.ts'
import {
  REPOSITORY_PATTERN,
  type RepositoryOptions,
  needRepository,
} from '../../client/repository.ts'
import { parseBytes } from '../../base/human-units.ts'
import { CRYPT_MODES } from '../../formats/crypt-mode.ts'
import { type SnapshotRef, parseSnapshot } from '../../formats/names.ts'
import { parseNamespace } from '../../formats/namespace.ts'
import { TokenBucket } from '../../transport/rate-limit.ts'
import { type Parameter, choice, integer, optional, text } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { OUTPUT_FORMATS } from '../output.ts'

export interface ClientContext extends CommandContext {
  readonly host: ClientHost
  /** Where restored bytes go for the target `-`. */
  readonly pipe: { write(bytes: Uint8Array): Promise<void> }
  /** Shows how far an operation is. */
  readonly progress: ProgressDisplay
}

export interface ProgressDisplay {
  upload(name: string, state: UploadState): void
  download(done: number, total: number): void
  /** Takes the bar off the screen. */
  clear(): void
}

export interface UploadState {
  readonly done: number
  readonly total: number | null
  readonly sent: number
}

const NAMESPACE_PATTERN = /^(?:(?:[A-Za-z0-9_][A-Za-z0-9._-]*\/){0,7}[A-Za-z0-9_][A-Za-z0-9._-]*)?$/
const AUTH_ID_PATTERN = /^[^\s:/]+@[A-Za-z0-9_][A-Za-z0-9._-]*(?:![A-Za-z0-9_][A-Za-z0-9._-]*)?$/
const REPOSITORY_LENGTH_MAX = 256

export const repositoryParameters = {
  repository: optional(
    text('Repository URL.', { lengthMax: REPOSITORY_LENGTH_MAX, pattern: REPOSITORY_PATTERN }),
  ),
  server: optional(text('Backup server address (hostname or IP).')),
  port: optional(integer('Backup server port. Default: 8007', { min: 1, max: 65_535 })),
  datastore: optional(text('Datastore name.', { lengthMin: 3, lengthMax: 32 })),
  'auth-id': optional(text('Authentication ID (user or token).', { pattern: AUTH_ID_PATTERN })),
} as const

export const NAMESPACE_RULES = { pattern: NAMESPACE_PATTERN, lengthMax: 256 } as const

export const namespaceParameters = {
  ns: optional(text('Namespace.', NAMESPACE_RULES)),
} as const

export const formatParameters = {
  'output-format': optional(choice('Output format.', OUTPUT_FORMATS)),
} as const

export const keyParameters = {
  keyfile: optional(text('Path to encryption key.')),
  keyfd: optional(
    integer('Pass an encryption key via an already opened file descriptor.', { min: 0 }),
  ),
} as const

export const cryptModeParameter = {
  'crypt-mode': optional(
    choice('Defines whether data is encrypted, only signed, or neither.', CRYPT_MODES),
  ),
} as const

export const rateParameters = {
  rate: optional(byteSize('Rate limit for network traffic, bytes a second.')),
  burst: optional(byteSize('Size of the token bucket of the rate limit. Default: the rate.')),
} as const

/** A required size such as `64k` or `1 MiB`. */
export function byteSize(description: string): Parameter<number> {
  const parse = (value: string) => {
    const size = parseBytes(value)
    return size === null ? { problem: 'not a valid human readable byte value' } : { value: size }
  }
  const { kind, typeText, isOptional, isList } = text(description)
  return { kind, description, typeText, isOptional, isList, parse }
}

/** A connection to the repository that options and environment name. */
export async function connect(
  context: ClientContext,
  options: RepositoryOptions,
): Promise<Connection> {
  const repository = await needRepository(context.host, options)
  return await openConnection(context.host, repository, { signal: context.signal })
}

/** The namespace of the option or of `PBS_NAMESPACE`. @throws namespace errors */
export function namespaceOf(context: ClientContext, option: string | undefined): string {
  return parseNamespace(option ?? context.environment['PBS_NAMESPACE'] ?? '')
}

/** Snapshot and namespace of a command that takes both. */
export function snapshotAddress(
  context: ClientContext,
  { snapshot, ns }: { readonly snapshot: string; readonly ns: string | undefined },
): { readonly snapshot: SnapshotRef; readonly namespace: string } {
  return { snapshot: parseSnapshot(snapshot), namespace: namespaceOf(context, ns) }
}

/** Waits so that no more than `rate` bytes a second pass; undefined without a limit. */
export function paceOf(
  context: ClientContext,
  { rate, burst }: { readonly rate: number | undefined; readonly burst: number | undefined },
): ((size: number) => Promise<void>) | undefined {
  if (rate === undefined || rate === 0) return undefined
  const bucket = new TokenBucket({ rate, burst: burst ?? rate }, context.clock)
  return (size) => bucket.take(size, context.signal)
}

/** Archive names of a list without the endings of the server, sorted, in one line. */
export function fileList(files: readonly string[]): string {
  return files
    .map((name) => name.replace(/\.(didx|fidx|blob)$/, ''))
    .toSorted()
    .join(' ')
}
