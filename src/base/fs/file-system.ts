/**
 * The door to files. Everything above takes a `FileSystem`, so that crashes, full disks and
 * concurrency can be played in tests. Paths are absolute or relative to the process's folder,
 * text in UTF-8; who must handle other names (the pxar walker) has its own door.
 *
 * An implementation promises: errors are plain system errors with Node's `code` (`ENOENT`, …);
 * a promise settles when the system call has returned; nothing is durable before a sync.
 */
import type { Allocate } from '../buffer-pool.ts'

export type FileKind = 'file' | 'folder' | 'link' | 'other'

export interface FileStat {
  readonly kind: FileKind
  /** Bytes. */
  readonly size: number
  /** Permission bits with setuid, setgid and sticky, without the type. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly dev: bigint
  readonly ino: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly atimeNs: bigint
  readonly nlink: number
}

export interface DirEntry {
  readonly name: string
  readonly kind: FileKind
}

/**
 * `read`: existing, read only. `write`: existing, read and write. `create`: write, made if
 * missing, emptied if there. `create-new`: EEXIST if there. `read-write-create`: read and write,
 * made if missing, kept if there.
 */
export type OpenMode = 'read' | 'write' | 'create' | 'create-new' | 'read-write-create'

export interface FileHandle extends AsyncDisposable {
  /** Descriptor, for the native seam only. */
  readonly fd: number
  /** Fills `buffer` from `position` as far as the file goes; count of bytes read, short only at its end. */
  read(buffer: Uint8Array, position: number): Promise<number>
  /** Writes all of `buffer` at `position`. */
  write(buffer: Uint8Array, position: number): Promise<void>
  /** Writes all of `buffers`, one after the other, from `position` on. */
  writev(buffers: readonly Uint8Array[], position: number): Promise<void>
  truncate(size: number): Promise<void>
  /** Content and metadata are on stable storage when it resolves. */
  sync(): Promise<void>
  /** As `FileSystem.syncFileSystem`; hears of every write-back error since this handle was opened. */
  syncFileSystem(): Promise<void>
  stat(): Promise<FileStat>
  chmod(mode: number): Promise<void>
  chown(uid: number, gid: number): Promise<void>
  /**
   * Takes, converts or gives back a lock over the whole file that belongs to this handle; never
   * waits, false if somebody else is in the way. `record` excludes other programs' `fcntl` locks,
   * `flock` their `flock` locks; neither sees the other. Ends with `close`. Synchronous, so that
   * the holder's own count and the lock change in one step.
   */
  tryLock(scope: 'record' | 'flock', request: 'shared' | 'exclusive' | 'unlock'): boolean
  /** May be called more than once. */
  close(): Promise<void>
}

export interface FileSystemUsage {
  /** Bytes; `available` is what an ordinary user can still write. */
  readonly total: number
  readonly used: number
  readonly available: number
}

export interface FileSystem {
  /** `fileMode` (0o666 by default) is subject to the umask and used only when the file is made. */
  open(path: string, mode: OpenMode, fileMode?: number): Promise<FileHandle>
  /** Whole content; throws EFBIG if it is larger than `sizeMax`. With a bound, `allocate` may give the memory. */
  readFile(path: string, sizeMax?: number, allocate?: Allocate): Promise<Uint8Array<ArrayBuffer>>
  stat(path: string): Promise<FileStat>
  /** As stat, of a link itself. */
  lstat(path: string): Promise<FileStat>
  /** Unsorted, without `.` and `..`. */
  readDir(path: string): Promise<DirEntry[]>
  readLink(path: string): Promise<string>
  realPath(path: string): Promise<string>
  mkdir(
    path: string,
    options?: { readonly recursive?: boolean; readonly mode?: number },
  ): Promise<void>
  rmdir(path: string): Promise<void>
  unlink(path: string): Promise<void>
  /** Replaces `to` if it is a file. */
  rename(from: string, to: string): Promise<void>
  link(existing: string, path: string): Promise<void>
  symlink(target: string, path: string): Promise<void>
  chmod(path: string, mode: number): Promise<void>
  /** Of the file itself: a link is not followed. */
  chown(path: string, uid: number, gid: number): Promise<void>
  /** Sets the access time to now and leaves the modification time. */
  touch(path: string): Promise<void>
  /** Sets both times, in Unix seconds. */
  setTimes(path: string, times: { readonly atime: number; readonly mtime: number }): Promise<void>
  /** Removes `path` and all below; nothing happens if it is missing. */
  removeTree(path: string): Promise<void>
  /** Makes the entries of a folder durable. */
  syncFolder(path: string): Promise<void>
  /** Makes everything of the file system that holds `path` durable (`syncfs`). */
  syncFileSystem(path: string): Promise<void>
  usage(path: string): Promise<FileSystemUsage>
}
