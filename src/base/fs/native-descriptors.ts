/** Descriptors that go from process to process, and the datagrams that carry them to a service manager. */
import { closeSync } from 'node:fs'
import { loadKoffi, nativeCall, nativeFunction } from './native.ts'
import { errnoName, systemError } from './system-error.ts'

const F_DUPFD_CLOEXEC = 1030
const LOWEST_FREE = 3
const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOL_SOCKET = 1
const SCM_RIGHTS = 1
const MSG_NOSIGNAL = 0x4000
/** The same number for sockets, pipes and files. */
const CLOSE_ON_EXEC = 0o2000000
const CONTROL_HEADER_SIZE = 16
const DESCRIPTOR_SIZE = 4
const ADDRESS_SIZE_MAX = 110

/** Another descriptor of what `descriptor` names, closed in programs that are started. */
export function duplicateDescriptor(descriptor: number): number {
  const values = [descriptor, F_DUPFD_CLOEXEC, LOWEST_FREE]
  return nativeCall('int fcntl(int fd, int command, int value)', values) ?? -1
}

/** Both ends of a pipe. */
export function openPipe(): { readonly read: number; readonly write: number } {
  const ends = Buffer.alloc(2 * DESCRIPTOR_SIZE)
  nativeCall('int pipe2(void *ends, int flags)', [ends, CLOSE_ON_EXEC])
  return { read: ends.readInt32LE(0), write: ends.readInt32LE(DESCRIPTOR_SIZE) }
}

/**
 * Sends `text` to the datagram socket `path` (`@` in front: an abstract one), with `descriptor` if given. Throws the
 * system's error: ENOENT, ECONNREFUSED, EAGAIN.
 */
export function sendDatagram(path: string, text: string, descriptor?: number): void {
  const socket = nativeCall('int socket(int domain, int type, int protocol)', [
    AF_UNIX,
    SOCK_DGRAM | CLOSE_ON_EXEC,
    0,
  ])
  try {
    sendMessage(socket ?? -1, { path, text, descriptor })
  } finally {
    if (socket !== null) closeSync(socket)
  }
}

interface Datagram {
  readonly path: string
  readonly text: string
  readonly descriptor: number | undefined
}

let isDefined = false

function sendMessage(socket: number, { path, text, descriptor }: Datagram): void {
  const koffi = loadKoffi('sendmsg')
  if (!isDefined) {
    koffi.struct('CairnPiece', { base: 'void *', size: 'size_t' })
    koffi.struct('CairnMessage', {
      name: 'void *',
      nameSize: 'uint32_t',
      pieces: 'CairnPiece *',
      pieceCount: 'size_t',
      control: 'void *',
      controlSize: 'size_t',
      flags: 'int',
    })
    isDefined = true
  }
  const name = socketAddress(path)
  const bytes = Buffer.from(text)
  const control = descriptor === undefined ? null : controlOf(descriptor)
  const message: unknown = {
    name,
    nameSize: name.length,
    pieces: [{ base: bytes, size: bytes.length }],
    pieceCount: 1,
    control,
    controlSize: control?.length ?? 0,
    flags: 0,
  }
  const prototype = 'long sendmsg(int fd, const CairnMessage *message, int flags)'
  const send = nativeFunction(prototype) as unknown as (...values: unknown[]) => unknown
  if (Number(send(socket, message, MSG_NOSIGNAL)) === -1) {
    throw systemError(errnoName(koffi.errno()), 'sendmsg', path)
  }
}

function socketAddress(path: string): Buffer {
  const isAbstract = path.startsWith('@')
  const name = Buffer.from(isAbstract ? `\0${path.slice(1)}` : `${path}\0`)
  if (name.length + 2 > ADDRESS_SIZE_MAX) throw systemError('ENAMETOOLONG', 'sendmsg', path)
  const family = Buffer.alloc(2)
  family.writeUInt16LE(AF_UNIX)
  return Buffer.concat([family, name])
}

/** `struct cmsghdr` with one descriptor, padded to eight bytes. */
function controlOf(descriptor: number): Buffer {
  const control = Buffer.alloc(CONTROL_HEADER_SIZE + 8)
  control.writeBigUInt64LE(BigInt(CONTROL_HEADER_SIZE + DESCRIPTOR_SIZE), 0)
  control.writeInt32LE(SOL_SOCKET, 8)
  control.writeInt32LE(SCM_RIGHTS, 12)
  control.writeInt32LE(descriptor, CONTROL_HEADER_SIZE)
  return control
}
