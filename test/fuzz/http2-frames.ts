/**
 * HTTP/2 by hand (RFC 9113 4.1, RFC 7541 6.2.3): frames as a client or server that is not polite would
 * send them. Header fields are literals without index and without Huffman coding.
 */

/** What a client sends first. */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

const TYPES = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const
const END_STREAM = 0x1
const END_HEADERS = 0x4
const ACKNOWLEDGE = 0x1
const HEADER_SIZE = 9

export type FrameType = keyof typeof TYPES

export interface Frame {
  readonly type: FrameType
  readonly flags?: number
  readonly stream?: number
  readonly content?: Uint8Array
}

/** Length, type, flags, stream, content. */
export function frame({ type, flags = 0, stream = 0, content = Buffer.alloc(0) }: Frame): Buffer {
  const header = Buffer.alloc(HEADER_SIZE)
  header.writeUIntBE(content.length, 0, 3)
  header[3] = TYPES[type]
  header[4] = flags
  header.writeUInt32BE(stream, 5)
  return Buffer.concat([header, content])
}

export function settingsFrame(
  settings: readonly (readonly [id: number, value: number])[] | 'acknowledge',
): Buffer {
  if (settings === 'acknowledge') return frame({ type: 'SETTINGS', flags: ACKNOWLEDGE })
  const content = Buffer.alloc(6 * settings.length)
  for (const [index, [id, value]] of settings.entries()) {
    content.writeUInt16BE(id, 6 * index)
    content.writeUInt32BE(value, 6 * index + 2)
  }
  return frame({ type: 'SETTINGS', content })
}

export interface StreamPart {
  readonly stream: number
  /** Whether nothing follows on the stream. */
  readonly end: boolean
}

export function headersFrame(
  { stream, end }: StreamPart,
  fields: readonly (readonly [name: string, value: string])[],
): Buffer {
  const flags = END_HEADERS | (end ? END_STREAM : 0)
  return frame({ type: 'HEADERS', flags, stream, content: Buffer.concat(fields.map(literal)) })
}

export function dataFrame({ stream, end }: StreamPart, content: Uint8Array): Buffer {
  return frame({ type: 'DATA', flags: end ? END_STREAM : 0, stream, content })
}

/** RST_STREAM, WINDOW_UPDATE, GOAWAY, PING: a number of four bytes, or two. */
export function numberFrame(type: FrameType, stream: number, numbers: readonly number[]): Buffer {
  const content = Buffer.alloc(4 * numbers.length)
  for (const [index, number] of numbers.entries()) content.writeUInt32BE(number, 4 * index)
  return frame({ type, stream, content })
}

/** Whether `bytes` (a byte string), which start with the preface, hold a frame of `type`. */
export function findFrame(bytes: string, type: FrameType): boolean {
  const data = Buffer.from(bytes, 'latin1')
  for (let at = PREFACE.length; at + HEADER_SIZE <= data.length; ) {
    if (data[at + 3] === TYPES[type]) return true
    at += HEADER_SIZE + data.readUIntBE(at, 3)
  }
  return false
}

function literal([name, value]: readonly [string, string]): Buffer {
  return Buffer.concat([Buffer.from([0]), text(name), text(value)])
}

/** Length in seven bits and on, then the bytes. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  const length: number[] = []
  if (bytes.length < 127) length.push(bytes.length)
  else {
    length.push(127)
    let rest = bytes.length - 127
    for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128)
    length.push(rest)
  }
  return Buffer.concat([Buffer.from(length), bytes])
}
