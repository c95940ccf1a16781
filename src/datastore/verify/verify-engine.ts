/** Who reads for a verification: worker threads for the machine's own files, awaited calls behind a given door. */
import { availableParallelism } from 'node:os'
import { BufferPool } from '../../base/buffer-pool.ts'
import { forEachConcurrent } from '../../base/async/map-concurrent.ts'
import { WorkerPool } from '../../base/async/worker-pool.ts'
import { hasCode, isSystemError, toError } from '../../base/errors.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import { BLOB_SIZE_MAX } from '../../formats/data-blob.ts'
import { digestFromBytes, DIGEST_SIZE } from '../../formats/digest.ts'
import type { Datastore } from '../datastore.ts'
import { CHUNKS_FOLDER } from '../layout.ts'
import { bucketEngine } from './bucket-engine.ts'
import { NO_INODE, positionsByInode } from './inode-order.ts'
import type { ChunkProblem, ExpectedChunk } from './judge-chunk.ts'
import { judgeInPool } from './run-judge.ts'
import { makeTickets } from './tickets.ts'
import type { ChunkFinding, SliceResult, VerifyEngine, VerifySlice } from './verify-slice.ts'
import type { VerifyTask } from './verify-worker.ts'

export interface VerifyThreads {
  /** Files read at a time. */
  readonly readThreads: number
  /** Chunks decoded at a time; more than the machine has cores are of no use. */
  readonly verifyThreads: number
}

const WORKER_URL = new URL('./verify-worker.ts', import.meta.url)
/** A thread with its buffers takes about 30 MB; more only wait for the disk. */
const THREAD_COUNT_MAX = 32
/** Awaited looks at once. */
const LOOKS_AT_ONCE = 32
/** Buffers of the awaited way: one for each chunk on its way. */
const POOLED_COUNT = 8
const POOLED_SIZE = (4 << 20) + 4096
const POOLED_SIZE_MIN = 64 << 10

/** The engine for the store's chunks. To be disposed of; threads are made when they are first needed. */
export function openVerifyEngine(store: Datastore, threads: VerifyThreads): VerifyEngine {
  if (store.bucket !== null) return bucketEngine(store, threads)
  return store.fs === nodeFileSystem ? workerEngine(store, threads) : doorEngine(store, threads)
}

function workerEngine(store: Datastore, threads: VerifyThreads): VerifyEngine {
  const { readThreads, verifyThreads } = threads
  // One thread reads while another decodes; a thread that waits for either costs memory only.
  const decoders = Math.min(verifyThreads, availableParallelism())
  const size = Math.min(THREAD_COUNT_MAX, decoders + readThreads)
  const pool = new WorkerPool(WORKER_URL, { size })
  const place = { folder: `${store.path}/${CHUNKS_FOLDER}`, tickets: makeTickets(readThreads) }
  return {
    slicesAtOnce: size,
    async check(slice, signal) {
      const task: VerifyTask = { kind: 'check', ...place, slice }
      return await pool.run<SliceResult>(task, { signal })
    },
    async order(digests, signal) {
      const task: VerifyTask = { kind: 'order', ...place, digests }
      return await pool.run<Uint32Array>(task, { signal })
    },
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  }
}

function doorEngine(store: Datastore, threads: VerifyThreads): VerifyEngine {
  const buffers = new BufferPool({
    size: POOLED_SIZE,
    sizeMin: POOLED_SIZE_MIN,
    countMax: POOLED_COUNT,
  })
  return {
    slicesAtOnce: Math.min(threads.verifyThreads, POOLED_COUNT),
    check: async (slice, signal) => await checkThrough(store, buffers, { slice, signal }),
    order: async (digests, signal) => await orderThrough(store, digests, signal),
    [Symbol.asyncDispose]: async () => {},
  }
}

async function checkThrough(
  store: Datastore,
  buffers: BufferPool,
  { slice, signal }: { readonly slice: VerifySlice; readonly signal: AbortSignal },
): Promise<SliceResult> {
  const findings: ChunkFinding[] = []
  let readSize = 0
  let decodedSize = 0
  for (const [position, size] of slice.sizes.entries()) {
    signal.throwIfAborted()
    const digest = digestFromBytes(slice.digests, position * DIGEST_SIZE)
    const expected = { digest, size, encrypted: slice.encrypted }
    const { blobSize, problem } = await checkChunk(store, buffers, expected)
    readSize += blobSize
    if (blobSize > 0) decodedSize += size
    if (problem !== null) findings.push({ position, ...problem })
  }
  return { findings, readSize, decodedSize, waitCount: slice.sizes.length }
}

async function checkChunk(
  store: Datastore,
  buffers: BufferPool,
  expected: ExpectedChunk,
): Promise<{ readonly blobSize: number; readonly problem: ChunkProblem | null }> {
  // Blobs are asked for by their size, which is known only when the file is open.
  using stack = new DisposableStack()
  let blob: Uint8Array
  try {
    blob = await store.chunks.read(
      expected.digest,
      (size) => stack.use(buffers.take(Math.min(size, BLOB_SIZE_MAX + 1))).bytes,
    )
  } catch (error) {
    const { message, cause } = toError(error)
    const isMissing = hasCode(cause, 'CHUNK_MISSING') || isSystemError(cause, 'ENOENT')
    return { blobSize: 0, problem: { kind: isMissing ? 'missing' : 'unreadable', text: message } }
  }
  return { blobSize: blob.length, problem: await judgeInPool(blob, expected) }
}

async function orderThrough(
  store: Datastore,
  digests: Uint8Array,
  signal: AbortSignal,
): Promise<Uint32Array> {
  const inodes = new Float64Array(digests.length / DIGEST_SIZE)
  const options = { concurrency: LOOKS_AT_ONCE, signal }
  await forEachConcurrent(inodes.keys(), options, async (position) => {
    const path = store.chunks.pathOf(digestFromBytes(digests, position * DIGEST_SIZE))
    inodes[position] = await inodeOf(store, path)
  })
  return positionsByInode(inodes)
}

async function inodeOf(store: Datastore, path: string): Promise<number> {
  try {
    return Number((await store.fs.lstat(path)).ino)
  } catch {
    // Reading it will say why.
    return NO_INODE
  }
}
