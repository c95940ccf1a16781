import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { suite, test } from 'node:test'
import { BodyTap, type ClaimOptions, CLIENT_PREFACE_SIZE } from './body-tap.ts'

const DATA = 0
const HEADERS = 1
const RST_STREAM = 3
const WINDOW_UPDATE = 8
const END = 1
const PADDED = 8
const PREFACE = Buffer.alloc(CLIENT_PREFACE_SIZE, 'PRI')

interface FrameFacts {
  readonly type: number
  readonly stream: number
  readonly flags?: number
  readonly payload?: Uint8Array
}

function frame({ type, stream, flags = 0, payload = Buffer.alloc(0) }: FrameFacts): Buffer {
  const header = Buffer.alloc(9)
  header.writeUIntBE(payload.length, 0, 3)
  header[3] = type
  header[4] = flags
  header.writeUInt32BE(stream, 5)
  return Buffer.concat([header, payload])
}

function data(stream: number, payload: Uint8Array, flags = 0): Buffer {
  return frame({ type: DATA, stream, payload, flags })
}

function bytes(size: number, seed = 1): Buffer {
  return Buffer.from(Array.from({ length: size }, (_, index) => (index * 31 + seed) % 251))
}

/** A tap over a socket that the test plays; `sent` is what went to the peer. */
function openTap(head: Uint8Array = PREFACE) {
  const sent: Buffer[] = []
  const socket = new Duplex({
    read() {},
    write(piece: Buffer, _encoding, done) {
      sent.push(piece)
      done()
    },
  })
  const options = { prefaceSize: PREFACE.length, frameSizeMax: 4096, streamWindow: 2000 }
  const tap = new BodyTap(socket as unknown as TLSSocket, { ...options, head })
  const passed: Buffer[] = []
  tap.duplex.on('data', (piece: Buffer) => passed.push(piece))
  const receive = async (content: Buffer, pieceSize = content.length): Promise<void> => {
    for (let at = 0; at < content.length; at += pieceSize) {
      socket.push(content.subarray(at, at + pieceSize))
    }
    await setImmediate()
  }
  return {
    tap,
    socket,
    receive,
    sent: () => Buffer.concat(sent),
    passed: () => Buffer.concat(passed),
  }
}

/** Sizes of the credit frames in `sent`, by stream. */
function credits(sent: Buffer): Map<number, number> {
  const sums = new Map<number, number>()
  for (let at = 0; at < sent.length; at += 13) {
    assert.equal(sent[at + 3], WINDOW_UPDATE)
    const stream = sent.readUInt32BE(at + 5)
    sums.set(stream, (sums.get(stream) ?? 0) + sent.readUInt32BE(at + 9))
  }
  return sums
}

const TO_END: ClaimOptions = { tellEnd: 'end' }
const HEAD = frame({ type: HEADERS, stream: 1, flags: 4, payload: bytes(50) })

suite('BodyTap', () => {
  for (const pieceSize of [1, 7, 9, 10, 100, 100_000]) {
    test(`passes on what nobody claims, in pieces of ${pieceSize}`, async () => {
      const { receive, passed, sent } = openTap(new Uint8Array())
      const content = Buffer.concat([
        PREFACE,
        HEAD,
        data(1, bytes(1000)),
        data(1, bytes(20), PADDED),
        data(3, bytes(5000)),
        data(1, Buffer.alloc(0), END),
      ])
      await receive(content, pieceSize)
      assert.deepEqual(passed(), content)
      assert.equal(sent().length, 0)
    })

    test(`takes a claimed body and nothing else, in pieces of ${pieceSize}`, async () => {
      const { tap, receive, passed } = openTap()
      const body = bytes(2500)
      const other = data(3, bytes(300, 7))
      await receive(Buffer.concat([HEAD, data(1, body.subarray(0, 700))]), pieceSize)
      const target = new Uint8Array(2500)
      const claim = tap.claim(1, target, TO_END)
      await receive(
        Buffer.concat([
          data(1, body.subarray(700, 1700)),
          other,
          data(1, Buffer.alloc(0)),
          data(
            1,
            Buffer.concat([Buffer.from([5]), body.subarray(1700), Buffer.alloc(5)]),
            PADDED | END,
          ),
        ]),
        pieceSize,
      )
      assert.equal(claim.passedSize, 700)
      assert.equal(claim.tappedSize, 1800)
      assert.deepEqual(Buffer.from(target).subarray(700), body.subarray(700))
      assert.deepEqual(target.subarray(0, 700), new Uint8Array(700))
      const expected = [
        PREFACE,
        HEAD,
        data(1, body.subarray(0, 700)),
        other,
        data(1, Buffer.alloc(0)),
        data(1, Buffer.alloc(0), END),
      ]
      assert.deepEqual(passed(), Buffer.concat(expected))
    })
  }

  test('tells the end of the stream where that is asked for', async () => {
    const { tap, receive, passed } = openTap()
    tap.claim(5, new Uint8Array(10), { tellEnd: 'close' })
    tap.claim(7, new Uint8Array(10), { tellEnd: 'close' })
    await receive(Buffer.concat([data(5, bytes(10), END), data(7, bytes(0), END)]))
    const reset = (stream: number) => frame({ type: RST_STREAM, stream, payload: Buffer.alloc(4) })
    assert.deepEqual(passed(), Buffer.concat([PREFACE, reset(5), reset(7)]))
  })

  test('drops what does not fit, and says so', async () => {
    const { tap, receive } = openTap()
    const target = new Uint8Array(150)
    let tooLongCount = 0
    const onTooLong = () => void (tooLongCount += 1)
    const claim = tap.claim(1, target.subarray(0, 100), { ...TO_END, onTooLong })
    await receive(data(1, bytes(100)))
    assert.equal(tooLongCount, 0)
    await receive(Buffer.concat([data(1, bytes(20)), data(1, bytes(1), END)]))
    assert.ok(tooLongCount > 0)
    assert.equal(claim.tappedSize, 121)
    assert.deepEqual(Buffer.from(target), Buffer.concat([bytes(100), Buffer.alloc(50)]))
  })

  test('touches no target after its claim was given up, in the middle of a frame', async () => {
    const { tap, receive, passed } = openTap()
    const target = new Uint8Array(100)
    const claim = tap.claim(1, target, TO_END)
    const content = data(1, bytes(100))
    await receive(content.subarray(0, 59))
    claim[Symbol.dispose]()
    await receive(content.subarray(59))
    await receive(data(1, bytes(5), END))
    assert.deepEqual(Buffer.from(target), Buffer.concat([bytes(50), Buffer.alloc(50)]))
    assert.deepEqual(passed(), Buffer.concat([PREFACE, data(1, bytes(5), END)]))
  })

  test('credits all that it takes, padding too, but no stream that has ended', async () => {
    const { tap, receive, sent } = openTap()
    tap.claim(1, new Uint8Array(3 << 20), TO_END)
    const padded = data(1, Buffer.concat([Buffer.from([9]), bytes(1000)]), PADDED)
    for (let count = 0; count < 2100; count += 1) await receive(padded)
    await receive(data(1, bytes(3000), END))
    const sums = credits(sent())
    assert.deepEqual(
      [...sums.keys()].toSorted((a, b) => a - b),
      [0, 1],
    )
    const total = 2100 * 1001 + 3000
    const connection = sums.get(0) ?? 0
    const stream = sums.get(1) ?? 0
    assert.ok(connection <= total && connection > total - (1 << 20), `${connection} of ${total}`)
    assert.ok(stream <= total && stream > total - 3000 - 1001, `${stream} of ${total}`)
  })

  test('frames that are longer than allowed are for Node to refuse', async () => {
    const { tap, receive, passed } = openTap()
    const claim = tap.claim(1, new Uint8Array(10_000), TO_END)
    const long = data(1, bytes(5000), END)
    await receive(long, 999)
    assert.equal(claim.tappedSize, 0)
    assert.deepEqual(passed(), Buffer.concat([PREFACE, long]))
  })

  test('forgets a stream that is over', async () => {
    const { tap, receive, passed } = openTap()
    await receive(data(1, bytes(10)))
    const first = tap.claim(1, new Uint8Array(20), TO_END)
    tap.forget(1)
    await receive(data(1, bytes(10)))
    assert.equal(first.tappedSize, 0)
    assert.deepEqual(passed(), Buffer.concat([PREFACE, data(1, bytes(10)), data(1, bytes(10))]))
    tap.forget(1)
    assert.equal(tap.claim(1, new Uint8Array(20), TO_END).passedSize, 0)
  })

  test('the end and the errors of the socket are those of the stream', async () => {
    const ended = openTap()
    let isEnded = false
    ended.tap.duplex.on('end', () => void (isEnded = true))
    ended.socket.push(null)
    await setImmediate()
    assert.ok(isEnded)
    const failed = openTap()
    const errors: Error[] = []
    failed.tap.duplex.on('error', (error: Error) => errors.push(error))
    failed.socket.destroy(new Error('reset'))
    await setImmediate()
    assert.deepEqual(
      errors.map(({ message }) => message),
      ['reset'],
    )
    assert.ok(failed.tap.duplex.destroyed)
  })
})
