/** Gives a restored object its metadata, step by step in stock's order (pxar.md 16.4). */
import { chmodSync } from 'node:fs'
import {
  FAT_FLAGS_MASK,
  flagsToFat,
  flagsToLinux,
  LINUX_FLAGS_INITIAL_MASK,
} from '../../archive/file-flags.ts'
import { accessAclOf, defaultAclOf, encodePosixAcl } from '../../archive/posix-acl.ts'
import { type EntryMetadata, MODE_PERMISSIONS_MASK } from '../../archive/tree-entry.ts'
import { isSystemError } from '../../base/errors.ts'
import {
  chmodFd,
  chownFd,
  setMtimeAt,
  setMtimeFd,
  setXattr,
  setXattrPath,
} from '../../base/fs/native-at.ts'
import {
  readFatAttributes,
  readFileFlags,
  writeFatAttributes,
  writeFileFlags,
  writeProjectId,
} from '../../base/fs/native-file-flags.ts'
import { isKeptXattr } from '../backup/read-metadata.ts'

export interface MetadataChoice {
  readonly ignoreOwnership: boolean
  readonly ignoreXattrs: boolean
  readonly ignoreAcls: boolean
  readonly ignorePermissions: boolean
}

/** How the object is held: `fd` open for reading or writing, or with O_PATH below `folder`. */
export type MetadataTarget =
  | { readonly kind: 'open'; readonly fd: number; readonly isDirectory: boolean }
  | {
      readonly kind: 'path'
      readonly fd: number
      readonly folder: number
      readonly name: string
      readonly isSymlink: boolean
    }

export interface MetadataHooks {
  /** What a failed step is told to: it throws to stop, or collects. */
  onFailure(action: string, error: unknown): void
  /** Something was left out or guessed. */
  onWarning(text: string): void
}

const CAPABILITY = 'security.capability'
const NOT_KNOWN = ['EOPNOTSUPP', 'ENOTSUP']

/**
 * Applies `metadata`. Each step that fails is told to `hooks` and the next one is tried. Also the
 * no-dump attribute is restored, which stock leaves out.
 */
export function writeMetadata(
  target: MetadataTarget,
  metadata: EntryMetadata,
  choice: MetadataChoice,
  hooks: MetadataHooks,
): void {
  const { fd } = target
  if (!choice.ignoreOwnership) {
    step('failed to set ownership', NOT_KNOWN, hooks, () => chownFd(fd, metadata.uid, metadata.gid))
  }
  writeAttributes(target, metadata, choice, hooks)
  if (metadata.acl !== null && !choice.ignoreAcls) {
    step('failed to apply acls', [], hooks, () => writeAcls(target, metadata, hooks))
  }
  if (metadata.quotaProjectId !== null && target.kind === 'open') {
    const id = metadata.quotaProjectId
    const action = 'error while setting fsxattr to restore quota project id'
    step(action, [], hooks, () => {
      try {
        writeProjectId(fd, id)
      } catch (error) {
        // Stock ends the restore here, and has no option against it.
        if (!isSystemError(error, ...NOT_KNOWN, 'ENOTTY')) throw error
        hooks.onWarning(`quota project id ${id} left out: the file system keeps none`)
      }
    })
  }
  if (!choice.ignorePermissions) {
    step('failed to change file mode', NOT_KNOWN, hooks, () => writeMode(target, metadata.mode))
  }
  step('failed to restore mtime attribute', NOT_KNOWN, hooks, () => writeMtime(target, metadata))
  if (metadata.flags !== 0 && target.kind === 'open') {
    step('failed to set file attributes', NOT_KNOWN, hooks, () => writeFlags(fd, metadata.flags))
  }
}

/** Sets what must be there before content: it decides how the file system stores it (step 1). */
export function writeInitialFlags(fd: number, flags: number, hooks: MetadataHooks): void {
  const wanted = flagsToLinux(flags) & LINUX_FLAGS_INITIAL_MASK
  if (wanted === 0) return
  step('failed to set initial file attributes', NOT_KNOWN, hooks, () => addFlags(fd, wanted))
}

function writeAttributes(
  target: MetadataTarget,
  metadata: EntryMetadata,
  choice: MetadataChoice,
  hooks: MetadataHooks,
): void {
  if (!choice.ignoreXattrs) {
    step('failed to set extended attributes', [], hooks, () => writeXattrs(target, metadata, hooks))
  }
  const { fcaps } = metadata
  if (fcaps === null) return
  step('failed to set file capabilities', NOT_KNOWN, hooks, () => {
    try {
      putXattr(target, CAPABILITY, fcaps)
    } catch (error) {
      // Stock stops here even so, which leaves an ordinary user no way to restore such a tree.
      if (!choice.ignoreXattrs || !isSystemError(error, 'EPERM')) throw error
      hooks.onWarning('file capabilities left out: only root can set them')
    }
  })
}

function writeXattrs(
  target: MetadataTarget,
  { xattrs }: EntryMetadata,
  hooks: MetadataHooks,
): void {
  for (const xattr of xattrs) {
    const name = Buffer.from(xattr.name).toString('latin1')
    // Whoever wrote the archive does not decide about security labels.
    if (isKeptXattr(name)) putKnownXattr(target, name, xattr.value)
    else hooks.onWarning(`skipping invalid xattr name ${JSON.stringify(name)}`)
  }
}

/** A file system may keep some kinds and not others: what it refuses does not end the rest. */
function putKnownXattr(target: MetadataTarget, name: string, value: Uint8Array): void {
  try {
    putXattr(target, name, value)
  } catch (error) {
    if (!isSystemError(error, ...NOT_KNOWN)) throw error
  }
}

function writeAcls(
  target: MetadataTarget,
  { mode, acl }: EntryMetadata,
  hooks: MetadataHooks,
): void {
  if (acl === null) return
  if (acl.groupObj === null && (acl.users.length > 0 || acl.groups.length > 0)) {
    hooks.onWarning('missing acl group object, using the group permissions as mask')
  }
  putXattr(target, 'system.posix_acl_access', encodePosixAcl(accessAclOf(mode, acl)))
  const defaults = defaultAclOf(acl)
  if (defaults === null) return
  putXattr(target, 'system.posix_acl_default', encodePosixAcl(defaults))
}

function putXattr(target: MetadataTarget, name: string, value: Uint8Array): void {
  if (target.kind === 'open') setXattr(target.fd, name, value)
  else setXattrPath(procPath(target.fd), name, value)
}

function writeMode(target: MetadataTarget, mode: number): void {
  const permissions = mode & MODE_PERMISSIONS_MASK
  if (target.kind === 'open') chmodFd(target.fd, permissions)
  else if (!target.isSymlink) chmodSync(procPath(target.fd), permissions)
}

function writeMtime(target: MetadataTarget, { mtimeSec, mtimeNsec }: EntryMetadata): void {
  if (target.kind === 'open') setMtimeFd(target.fd, mtimeSec, mtimeNsec)
  else setMtimeAt(target.folder, target.name, mtimeSec, mtimeNsec)
}

function writeFlags(fd: number, flags: number): void {
  const linux = flagsToLinux(flags)
  if (linux !== 0) addFlags(fd, linux)
  if ((flagsToFat(flags) & FAT_FLAGS_MASK) === 0) return
  const current = readFatAttributes(fd)
  if (current !== null) writeFatAttributes(fd, (current & ~FAT_FLAGS_MASK) | flagsToFat(flags))
}

/** Sets `wanted` besides what is set; a file system without such attributes is left alone. */
function addFlags(fd: number, wanted: number): void {
  const current = readFileFlags(fd)
  if (current === null || (current & wanted) === wanted) return
  writeFileFlags(fd, current | wanted)
}

/** The object itself, whatever it is open with: nothing is followed from there. */
function procPath(fd: number): string {
  return `/proc/self/fd/${fd}`
}

function step(
  action: string,
  ignored: readonly string[],
  hooks: MetadataHooks,
  run: () => void,
): void {
  try {
    run()
  } catch (error) {
    if (!isSystemError(error, ...ignored)) hooks.onFailure(action, error)
  }
}
