/**
 * An HTTP/2 connection whose large bodies do not pass through Node's HTTP/2. Node hands DATA frames over in pieces of
 * 16 KiB, each a new buffer, an event and a copy: most of what receiving costs. Here frames are looked at before Node
 * sees them: DATA of a body that somebody claims is copied to where it belongs, everything else goes on as it came.
 *
 * | bytes | frame header (RFC 9113, 4.1) |
 * |---|---|
 * | 0-2 | length of the payload, big endian |
 * | 3 | type |
 * | 4 | flags |
 * | 5-8 | stream, highest bit reserved |
 *
 * Node does not know of the bytes that it does not see, so their flow control is here: they are credited to the peer
 * as they come, by frames of our own between Node's.
 */
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { readSteadily } from './steady-reads.ts'
import { tapDuplex } from './tap-duplex.ts'

export interface BodyTapOptions {
  /** Bytes that the peer sends before its first frame: a client's preface. */
  readonly prefaceSize: number
  /** Received behind the upgrade, before anything else. */
  readonly head: Uint8Array
  /** As announced to the peer. */
  readonly frameSizeMax: number
  readonly streamWindow: number
}

export interface ClaimOptions {
  /**
   * What Node is told at the end of the body: that it has ended, or that the stream is over. Where the head states a
   * length, which Node compares with what it saw, only the second will do.
   */
  readonly tellEnd: 'end' | 'close'
  /** Called when the body is longer than the target; what does not fit is dropped. */
  readonly onTooLong?: (() => void) | undefined
}

/** Disposed of by whoever claimed, when the target must not be written to any more. */
export interface Claim extends Disposable {
  /** Bytes that Node hands over, because they came before the claim: the start of the body. */
  readonly passedSize: number
  /** Bytes that came since, also those that did not fit. */
  readonly tappedSize: number
}

/** Length of a client's preface (RFC 9113, 3.4). */
export const CLIENT_PREFACE_SIZE = 24

const FRAME_HEADER_SIZE = 9
const DATA = 0
const RST_STREAM = 3
const WINDOW_UPDATE = 8
const END_STREAM = 0x1
const PADDED = 0x8
const STREAM_MASK = 0x7fffffff
/** The connection is credited in pieces of this size, an eighth of the smallest window that we announce. */
const CONNECTION_CREDIT_SIZE = 1024 * 1024
/** Bodies of which we know what went to Node: several times the streams that are allowed at once. */
const PASSED_COUNT_MAX = 1000

export class BodyTap {
  /** What Node's HTTP/2 takes for its socket. */
  readonly duplex: Duplex
  readonly #socket: TLSSocket
  readonly #options: BodyTapOptions
  readonly #claims = new Map<number, TapClaim>()
  /** Bytes of bodies that went on to Node. */
  readonly #passed = new Map<number, number>()
  readonly #header = Buffer.alloc(FRAME_HEADER_SIZE)
  #headerSize = 0
  /** Whose payload is being received; null: Node's. */
  #claim: TapClaim | null = null
  /** Bytes of it still to come, the last `#padding` of them no data; the first one may say how many those are. */
  #rest: number
  #padding = 0
  #isPaddingNext = false
  #isLast = false
  /** Not credited to the connection yet. */
  #owed = 0

  /** `socket` belongs to the tap from now on; its end and errors are the duplex's. */
  constructor(socket: TLSSocket, options: BodyTapOptions) {
    this.#socket = socket
    this.#options = options
    this.#rest = options.prefaceSize
    this.duplex = tapDuplex(socket)
    if (options.head.length > 0) this.#feed(Buffer.from(options.head))
    readSteadily(socket, (bytes) => {
      this.#feed(bytes)
      return this.duplex.readableLength < this.duplex.readableHighWaterMark
    })
  }

  /** The body of `stream` goes to `target` from the next frame on. */
  claim(stream: number, target: Uint8Array, options: ClaimOptions): Claim {
    const passedSize = this.#passed.get(stream) ?? 0
    const claim = new TapClaim({ stream, target, passedSize, options }, () => {
      if (this.#claims.get(stream) === claim) this.#claims.delete(stream)
    })
    this.#claims.set(stream, claim)
    return claim
  }

  /** To be called when a stream is over, however it ended. */
  forget(stream: number): void {
    this.#claims.get(stream)?.[Symbol.dispose]()
    this.#passed.delete(stream)
  }

  #feed(bytes: Buffer): void {
    let at = 0
    while (at < bytes.length) {
      if (this.#rest === 0) {
        at += this.#takeHeader(bytes, at)
        continue
      }
      const end = at + Math.min(this.#rest, bytes.length - at)
      this.#rest -= end - at
      this.#takePayload(bytes, at, end)
      at = end
    }
  }

  /** Count of bytes taken. */
  #takeHeader(bytes: Buffer, start: number): number {
    const size = bytes.copy(this.#header, this.#headerSize, start)
    this.#headerSize += size
    if (this.#headerSize < FRAME_HEADER_SIZE) return size
    this.#headerSize = 0
    this.#beginFrame()
    return size
  }

  #beginFrame(): void {
    const length = this.#header.readUIntBE(0, 3)
    const [type, flags] = [this.#header[3] ?? 0, this.#header[4] ?? 0]
    const stream = this.#header.readUInt32BE(5) & STREAM_MASK
    this.#rest = length
    this.#claim = type === DATA ? (this.#claims.get(stream) ?? null) : null
    this.#padding = 0
    this.#isPaddingNext = (flags & PADDED) !== 0
    this.#isLast = (flags & END_STREAM) !== 0
    const claim = this.#claim
    if (claim !== null && length > 0 && length <= this.#options.frameSizeMax) return
    // Node's: also what breaks its rules, and empty frames, which it counts.
    this.#claim = null
    if (claim !== null && length === 0 && this.#isLast) return this.#tellEnd(claim)
    if (type === DATA) this.#notePassed(stream, length)
    this.duplex.push(Buffer.from(this.#header))
  }

  #notePassed(stream: number, length: number): void {
    const size = (this.#passed.get(stream) ?? 0) + length
    this.#passed.set(stream, size)
    if (this.#passed.size <= PASSED_COUNT_MAX) return
    for (const oldest of this.#passed.keys()) {
      this.#passed.delete(oldest)
      return
    }
  }

  #takePayload(bytes: Buffer, start: number, end: number): void {
    const claim = this.#claim
    if (claim === null) {
      this.duplex.push(Buffer.from(bytes.subarray(start, end)))
      return
    }
    let from = start
    if (this.#isPaddingNext) {
      this.#isPaddingNext = false
      this.#padding = bytes[from] ?? 0
      from += 1
    }
    // What is still to come may be padding only, and this may have some of it.
    claim.take(bytes, from, Math.max(from, end - Math.max(0, this.#padding - this.#rest)))
    this.#credit(claim, end - start)
    if (this.#rest === 0 && this.#isLast) this.#tellEnd(claim)
  }

  #credit(claim: TapClaim, size: number): void {
    this.#owed += size
    claim.owed += size
    const isWindowHalf = claim.owed * 2 >= this.#options.streamWindow
    if (isWindowHalf && !this.#isLast) {
      this.#write(windowUpdate(claim.stream, claim.owed))
      claim.owed = 0
    }
    if (this.#owed < CONNECTION_CREDIT_SIZE) return
    this.#write(windowUpdate(0, this.#owed))
    this.#owed = 0
  }

  #write(frame: Buffer): void {
    if (this.#socket.writable) this.#socket.write(frame)
  }

  #tellEnd(claim: TapClaim): void {
    claim[Symbol.dispose]()
    const { stream, tellEnd } = claim
    this.duplex.push(tellEnd === 'end' ? emptyEnd(stream) : resetOf(stream))
  }
}

class TapClaim implements Claim {
  readonly stream: number
  readonly passedSize: number
  readonly tellEnd: 'end' | 'close'
  tappedSize = 0
  /** Not credited to the stream yet. */
  owed = 0
  readonly #onTooLong: (() => void) | undefined
  readonly #onDispose: () => void
  /** Null when nothing is to be written any more. */
  #target: Uint8Array | null

  constructor(
    facts: {
      readonly stream: number
      readonly target: Uint8Array
      readonly passedSize: number
      readonly options: ClaimOptions
    },
    onDispose: () => void,
  ) {
    this.stream = facts.stream
    this.passedSize = facts.passedSize
    this.tellEnd = facts.options.tellEnd
    this.#target = facts.target
    this.#onTooLong = facts.options.onTooLong
    this.#onDispose = onDispose
  }

  take(bytes: Buffer, start: number, end: number): void {
    const at = this.passedSize + this.tappedSize
    this.tappedSize += end - start
    if (this.#target === null) return
    if (at < this.#target.length) bytes.copy(this.#target, at, start, end)
    if (at + end - start > this.#target.length) this.#onTooLong?.()
  }

  [Symbol.dispose](): void {
    this.#target = null
    this.#onDispose()
  }
}

function windowUpdate(stream: number, size: number): Buffer {
  const frame = frameOf(WINDOW_UPDATE, stream, { flags: 0, length: 4 })
  frame.writeUInt32BE(size, FRAME_HEADER_SIZE)
  return frame
}

function emptyEnd(stream: number): Buffer {
  return frameOf(DATA, stream, { flags: END_STREAM, length: 0 })
}

/** With the error code NO_ERROR, which is 0. */
function resetOf(stream: number): Buffer {
  return frameOf(RST_STREAM, stream, { flags: 0, length: 4 })
}

function frameOf(
  type: number,
  stream: number,
  { flags, length }: { readonly flags: number; readonly length: number },
): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_SIZE + length)
  frame.writeUIntBE(length, 0, 3)
  frame[3] = type
  frame[4] = flags
  frame.writeUInt32BE(stream, 5)
  return frame
}
