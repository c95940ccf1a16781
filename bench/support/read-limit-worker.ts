/**
 * One thread of the least that a verification can do: reads chunk files, decompresses, digests; checks nothing. Files
 * are taken in turn from a counter that all threads share.
 */
import { hash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { COMPRESSED_BLOB_MAGIC, hasMagic } from '../../src/formats/magic.ts'
import { nativeDecompressSync } from '../../src/formats/native-zstd.ts'

export interface LimitWork {
  readonly paths: readonly string[]
  /** Index of the next file. */
  readonly next: SharedArrayBuffer
}

const HEADER_SIZE = 12
const BUFFER_SIZE = 5 << 20

const { paths, next } = workerData as LimitWork
const counter = new Int32Array(next)
const stored = new Uint8Array(BUFFER_SIZE)
const plain = new Uint8Array(BUFFER_SIZE)

parentPort?.on('message', () => {
  for (;;) {
    const path = paths[Atomics.add(counter, 0, 1)]
    if (path === undefined) break
    readAndDigest(path)
  }
  parentPort?.postMessage('done', [])
})
readAndDigest(paths[0] ?? '')
parentPort?.postMessage('ready', [])

function readAndDigest(path: string): void {
  const fd = openSync(path, 'r')
  const size = readSync(fd, stored, 0, BUFFER_SIZE, 0)
  closeSync(fd)
  const payload = stored.subarray(HEADER_SIZE, size)
  if (!hasMagic(stored, COMPRESSED_BLOB_MAGIC)) return void hash('sha256', payload, 'hex')
  const count = nativeDecompressSync(plain, payload) ?? 0
  hash('sha256', plain.subarray(0, count), 'hex')
}
