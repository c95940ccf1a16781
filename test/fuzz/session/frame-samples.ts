/** What a client of both protocols sends behind the 101, and what only an attacker would. */
import { encodeBlob } from '../../../src/formats/data-blob.ts'
import {
  dataFrame,
  frame,
  headersFrame,
  numberFrame,
  PREFACE,
  settingsFrame,
} from '../http2-frames.ts'

const GREETING = Buffer.concat([
  PREFACE,
  settingsFrame([
    [2, 0],
    [4, 65_535],
    [5, 16_384],
  ]),
  settingsFrame('acknowledge'),
])
const NO_ERROR = 0
const CANCEL = 8

/** Each begins with the preface. */
export async function frameSamples(): Promise<Uint8Array[]> {
  const blob = Buffer.from(await encodeBlob(Buffer.from('some text'), { compress: false }))
  const upload = `/blob?file-name=c.conf.blob&encoded-size=${blob.length}`
  return [
    [get(1, '/previous_backup_time'), get(3, '/'), get(5, '/download?file-name=index.json.blob')],
    [post(1, upload), dataFrame({ stream: 1, end: true }, blob), goaway()],
    [post(1, upload), dataFrame({ stream: 1, end: false }, blob.subarray(0, 9)), cancel(1)],
    [post(1, '/dynamic_index?archive-name=a.didx'), json(1, {}), post(3, '/finish'), json(3, {})],
    [window(0, 0x7fff_ffff), window(1, 1), get(1, '/speedtest'), ping(), ping(), window(1, 0)],
    [continued(1, '/previous_backup_time'), get(2, '/'), get(1, '/'), trailers(3)],
    Array.from({ length: 50 }, (_, index) => [
      get(2 * index + 1, '/'),
      cancel(2 * index + 1),
    ]).flat(),
    [settingsFrame([[4, 0]]), get(1, '/speedtest'), settingsFrame([[4, 100_000]]), padded(3)],
    [frame({ type: 'PRIORITY', stream: 1, content: Buffer.alloc(5, 1) }), goaway(), get(1, '/')],
  ].map((frames) => new Uint8Array(Buffer.concat([GREETING, ...frames])))
}

function fields(method: string, path: string): (readonly [string, string])[] {
  return [
    [':method', method],
    [':scheme', 'https'],
    [':authority', 'localhost:8007'],
    [':path', path],
    ['user-agent', 'fuzz'],
  ]
}

function get(stream: number, path: string): Buffer {
  return headersFrame({ stream, end: true }, fields('GET', path))
}

function post(stream: number, path: string): Buffer {
  const typed = [...fields('POST', path), ['content-type', 'application/json'] as const]
  return headersFrame({ stream, end: false }, typed)
}

function json(stream: number, value: unknown): Buffer {
  return dataFrame({ stream, end: true }, Buffer.from(JSON.stringify(value)))
}

/** A header block in two frames. */
function continued(stream: number, path: string): Buffer {
  const block = get(stream, path).subarray(9)
  return Buffer.concat([
    frame({ type: 'HEADERS', flags: 1, stream, content: block.subarray(0, 20) }),
    frame({ type: 'CONTINUATION', flags: 4, stream, content: block.subarray(20) }),
  ])
}

/** A body and header fields behind it. */
function trailers(stream: number): Buffer {
  return Buffer.concat([
    post(stream, '/speedtest'),
    dataFrame({ stream, end: false }, Buffer.alloc(100)),
    headersFrame({ stream, end: true }, [['x-end', 'y']]),
  ])
}

function padded(stream: number): Buffer {
  const content = Buffer.concat([Buffer.from([4]), Buffer.from('body'), Buffer.alloc(4)])
  const body = frame({ type: 'DATA', flags: 9, stream, content })
  return Buffer.concat([post(stream, '/speedtest'), body])
}

function ping(): Buffer {
  return frame({ type: 'PING', content: Buffer.from('12345678') })
}

function goaway(): Buffer {
  return numberFrame('GOAWAY', 0, [0, NO_ERROR])
}

function cancel(stream: number): Buffer {
  return numberFrame('RST_STREAM', stream, [CANCEL])
}

function window(stream: number, size: number): Buffer {
  return numberFrame('WINDOW_UPDATE', stream, [size])
}
