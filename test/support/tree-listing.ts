/** Listings of trees as `test/fixtures/tree/*.jsonl` hold them, from a disk and from an archive. */
import { createHash } from 'node:crypto'
import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  type BigIntStats,
} from 'node:fs'
import { PxarDecoder } from '../../src/archive/pxar/decoder.ts'
import { flagsToLinux, LINUX_FLAGS_MASK } from '../../src/archive/file-flags.ts'
import { accessAclOf, defaultAclOf, encodePosixAcl } from '../../src/archive/posix-acl.ts'
import type { EntryMetadata, TreeEntry } from '../../src/archive/tree-entry.ts'
import { readFileFlags } from '../../src/base/fs/native-file-flags.ts'
import { lgetxattr, llistxattr } from '../../src/base/fs/native-xattr.ts'
import { fixturePath } from './fixture-files.ts'

/** One line of a listing; what does not apply is missing. */
export interface ListedEntry {
  readonly path: string
  readonly mode: string
  readonly uid: number
  readonly gid: number
  readonly mtime_ns: string
  size?: number
  sha256?: string
  target?: string
  device?: number[]
  flags?: string
  same_as?: string
  xattrs?: Record<string, string>
}

export type Listing = Map<string, ListedEntry>

/** A recorded listing. Times are kept as text: they do not fit into a number. */
export function readListing(name: string): Listing {
  const listing: Listing = new Map()
  for (const line of readFileSync(fixturePath('tree', name), 'utf8').split('\n')) {
    if (line === '') continue
    const quoted = line.replace(/"mtime_ns": (-?\d+)/, '"mtime_ns": "$1"')
    const entry = JSON.parse(quoted) as ListedEntry
    listing.set(entry.path, entry)
  }
  return listing
}

/** The listing of the tree at `root` on disk. */
export function listDisk(root: string): Listing {
  const listing: Listing = new Map()
  const firstNames = new Map<string, string>()
  visit(Buffer.from(root), '.')
  return listing

  function visit(place: Buffer, path: string): void {
    const stat = lstatSync(place, { bigint: true })
    const entry = diskEntry(place, path, stat)
    if (stat.isFile() && stat.nlink > 1n) {
      const first = firstNames.get(String(stat.ino)) ?? path
      firstNames.set(String(stat.ino), first)
      entry.same_as = first
    }
    listing.set(path, entry)
    if (!stat.isDirectory()) return
    const names = readdirSync(place, { encoding: 'buffer' }).sort((a, b) => Buffer.compare(a, b))
    for (const name of names) {
      const below = path === '.' ? shownName(name) : `${path}/${shownName(name)}`
      visit(Buffer.concat([place, Buffer.from('/'), name]), below)
    }
  }
}

function diskEntry(place: Buffer, path: string, stat: BigIntStats): ListedEntry {
  const entry: ListedEntry = {
    path,
    mode: octal(Number(stat.mode)),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtime_ns: String(stat.mtimeNs),
  }
  if (stat.isFile()) {
    const content = readFileSync(place)
    Object.assign(entry, { size: content.length, sha256: sha256Of(content) })
  }
  if (stat.isSymbolicLink()) entry.target = readlinkSync(place)
  if (stat.isBlockDevice() || stat.isCharacterDevice()) entry.device = deviceOf(stat.rdev)
  if (stat.isFile() || stat.isDirectory()) addDiskAttributes(entry, place)
  return entry
}

function addDiskAttributes(entry: ListedEntry, place: Buffer): void {
  const fd = openSync(place, 'r')
  const flags = (readFileFlags(fd) ?? 0) & LINUX_FLAGS_MASK
  closeSync(fd)
  if (flags !== 0) entry.flags = `0x${flags.toString(16)}`
  const xattrs: Record<string, string> = {}
  for (const name of llistxattr(place)) {
    xattrs[name.toString()] = lgetxattr(place, name)?.toString('hex') ?? ''
  }
  delete xattrs['security.selinux']
  if (Object.keys(xattrs).length > 0) entry.xattrs = xattrs
}

/** The listing of what the unified archive `bytes` holds. */
export function listArchive(bytes: Uint8Array): Listing {
  const listing: Listing = new Map()
  const path: string[] = []
  let open: { readonly entry: ListedEntry; readonly hash: ReturnType<typeof createHash> } | null =
    null
  const decoder = new PxarDecoder({
    entry(entry) {
      const name = entry.name.length === 0 ? '.' : shownName(entry.name)
      const place = [...path, name].join('/')
      if (entry.kind === 'hardlink') addLink(listing, place, shownName(entry.target))
      else listing.set(place, archiveEntry(place, entry))
      if (entry.kind === 'directory' && name !== '.') path.push(name)
      if (entry.kind === 'file') {
        open = { entry: listing.get(place) as ListedEntry, hash: createHash('sha256') }
      }
    },
    content: (part) => open?.hash.update(part),
    fileEnd() {
      if (open !== null) open.entry.sha256 = open.hash.digest('hex')
    },
    leaveDirectory: () => path.pop(),
  })
  decoder.push(bytes)
  decoder.end()
  return listing
}

function addLink(listing: Listing, path: string, target: string): void {
  const first = listing.get(target)
  if (first === undefined) throw new Error(`link to '${target}', which is not there`)
  first.same_as = target
  listing.set(path, { ...first, path })
}

type MetadataEntry = Exclude<TreeEntry, { kind: 'hardlink' }>

function archiveEntry(path: string, entry: MetadataEntry): ListedEntry {
  const { metadata } = entry
  const listed: ListedEntry = {
    path,
    mode: octal(metadata.mode),
    uid: metadata.uid,
    gid: metadata.gid,
    mtime_ns: String(BigInt(metadata.mtimeSec) * 1_000_000_000n + BigInt(metadata.mtimeNsec)),
  }
  if (entry.kind === 'file') listed.size = entry.size
  if (entry.kind === 'symlink') listed.target = entry.target.toString()
  if ('major' in entry) listed.device = [entry.major, entry.minor]
  if (metadata.flags !== 0) listed.flags = `0x${flagsToLinux(metadata.flags).toString(16)}`
  const xattrs = archiveXattrs(metadata)
  if (Object.keys(xattrs).length > 0) listed.xattrs = xattrs
  return listed
}

function archiveXattrs({ xattrs, fcaps, acl, mode }: EntryMetadata): Record<string, string> {
  const all: Record<string, string> = {}
  for (const { name, value } of xattrs) all[Buffer.from(name).toString()] = hex(value)
  if (fcaps !== null) all['security.capability'] = hex(fcaps)
  if (acl === null) return all
  all['system.posix_acl_access'] = hex(encodePosixAcl(accessAclOf(mode, acl)))
  const defaults = defaultAclOf(acl)
  if (defaults !== null) all['system.posix_acl_default'] = hex(encodePosixAcl(defaults))
  return all
}

/** Bytes that are no UTF-8 as `\xNN`, as the recorder wrote them. */
function shownName(name: Buffer): string {
  const text = name.toString()
  if (Buffer.from(text).equals(name)) return text
  return Array.from(name, (byte) =>
    byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`,
  ).join('')
}

function deviceOf(rdev: bigint): number[] {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)
  return [Number(major), Number(minor)]
}

function octal(mode: number): string {
  return `0o${mode.toString(8)}`
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
