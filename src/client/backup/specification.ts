/** What to back up as what: `NAME.TYPE:PATH` (spec cli 3). */
import { errors } from '../errors.ts'
import { type ClientHost, systemText } from '../host.ts'

export type SourceType = 'pxar' | 'img' | 'conf' | 'log'

export interface Specification {
  /** As the user names it, `root.pxar`. */
  readonly name: string
  readonly type: SourceType
  /** As typed. */
  readonly path: string
}

export const SPECIFICATION_PATTERN = /^([a-zA-Z0-9_-]+\.(pxar|img|conf|log)):([^\n]+)$/

/** @throws SPECIFICATION_INVALID */
export function parseSpecification(text: string): Specification {
  const match = SPECIFICATION_PATTERN.exec(text)
  if (match === null) throw errors.SPECIFICATION_INVALID({ text })
  const [, name = '', type, path = ''] = match
  return { name, type: type as SourceType, path }
}

/** Name on the server. */
export function serverName(specification: Specification): string {
  switch (specification.type) {
    case 'pxar':
      return `${specification.name}.didx`
    case 'img':
      return `${specification.name}.fidx`
    case 'conf':
    case 'log':
      return `${specification.name}.blob`
    default:
      return specification.type satisfies never
  }
}

/** The noun of the log lines. */
export function sourceNoun(type: SourceType): string {
  const nouns = { pxar: 'directory', img: 'image', conf: 'config file', log: 'log file' } as const
  return nouns[type]
}

/**
 * Checks that every source exists and is what its type needs, before anything is sent.
 * @throws SOURCE_*, TARGET_TWICE
 */
export async function checkSources(
  host: ClientHost,
  specifications: readonly Specification[],
): Promise<void> {
  const names = new Set<string>()
  const pipes = new Set<string>()
  for (const specification of specifications) {
    const { name, path } = specification
    if (names.has(name)) throw errors.TARGET_TWICE({ name })
    names.add(name)
    if ((await checkSource(host, specification)) !== 'pipe') continue
    if (pipes.has(path)) throw errors.SOURCE_PIPE_TWICE({ path })
    pipes.add(path)
  }
}

type Checked = 'plain' | 'pipe'

async function checkSource(host: ClientHost, { type, path }: Specification): Promise<Checked> {
  const stat = await statSource(host, path)
  switch (type) {
    case 'pxar':
      if (stat.kind !== 'folder') throw errors.SOURCE_NOT_FOLDER({})
      return 'plain'
    case 'conf':
    case 'log':
      if (stat.kind !== 'file') throw errors.SOURCE_NOT_FILE({})
      return 'plain'
    case 'img':
      if (stat.kind === 'file' && stat.size === 0) throw errors.SOURCE_EMPTY({ path })
      if (stat.kind === 'file') return 'plain'
      return await checkDevice(host, path)
    default:
      return type satisfies never
  }
}

async function statSource(host: ClientHost, path: string) {
  try {
    return await host.fs.stat(path)
  } catch (cause) {
    if (path === '-') {
      host.log("If you are trying to read from stdin use '/dev/stdin' instead of '-'.")
    }
    throw errors.SOURCE_UNREADABLE({ path, reason: systemText(cause) }, { cause: undefined })
  }
}

async function checkDevice(host: ClientHost, path: string): Promise<Checked> {
  const type = await specialType(path)
  if (type === 'fifo') return 'pipe'
  if (type === 'block device') return 'plain'
  if (type === 'character device') {
    host.log('Character devices (including pseudo terminals) are not supported.')
  }
  throw errors.SOURCE_NOT_IMAGE({ path })
}

type SpecialType = 'fifo' | 'block device' | 'character device' | 'other'

/** What `path` is, of the kinds that FileSystem does not tell apart. */
async function specialType(path: string): Promise<SpecialType> {
  const { stat } = await import('node:fs/promises')
  const stats = await stat(path)
  if (stats.isFIFO()) return 'fifo'
  if (stats.isBlockDevice()) return 'block device'
  return stats.isCharacterDevice() ? 'character device' : 'other'
}
