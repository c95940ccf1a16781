/**
 * Reads of a socket into one buffer that is used again. Node's own way makes a buffer of 64 KiB for every 16 KiB that
 * TLS hands over: half of what receiving costs. Its documented way, the option `onread`, exists only for sockets that
 * are made by us to connect; here its parts are set for any socket, and where they are missing events serve as well.
 */
import type { Socket } from 'node:net'

/** TLS records are as long. */
const BUFFER_SIZE = 16 * 1024

/** Bytes that are read only until it returns; false: no more until the socket is resumed. */
export type TakeBytes = (bytes: Buffer) => boolean

interface SocketParts {
  readonly _handle?: { readonly useUserBuffer?: (buffer: Uint8Array) => void } | null
  [part: symbol]: unknown
}

/** From now on `take` gets all that comes, first what was read but not taken yet; the end is told by events as always. */
export function readSteadily(socket: Socket, take: TakeBytes): void {
  const takeOrPause = (bytes: Buffer): void => {
    if (!take(bytes)) socket.pause()
  }
  socket.pause()
  for (let bytes = readRest(socket); bytes !== null; bytes = readRest(socket)) takeOrPause(bytes)
  if (!useBuffer(socket, take)) socket.on('data', takeOrPause)
  socket.resume()
}

function readRest(socket: Socket): Buffer | null {
  return socket.read() as Buffer | null
}

function useBuffer(socket: Socket, take: TakeBytes): boolean {
  const parts = socket as unknown as SocketParts
  const symbols = Object.getOwnPropertySymbols(socket)
  const bufferPart = symbols.find(({ description }) => description === 'kBuffer')
  const callbackPart = symbols.find(({ description }) => description === 'kBufferCb')
  const { _handle: handle } = parts
  if (bufferPart === undefined || callbackPart === undefined) return false
  if (typeof handle?.useUserBuffer !== 'function') return false
  const buffer = Buffer.allocUnsafeSlow(BUFFER_SIZE)
  parts[bufferPart] = buffer
  parts[callbackPart] = (size: number) => take(buffer.subarray(0, size))
  handle.useUserBuffer(buffer)
  return true
}
