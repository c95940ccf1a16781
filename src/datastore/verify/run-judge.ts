/** The two ways of running `judgeChunk`: on the calling thread, and with libuv's pool. */
import { hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Allocate } from '../../base/buffer-pool.ts'
import { crc32InPool } from '../../formats/crc32.ts'
import { sha256 } from '../../formats/digest.ts'
import { decompress, decompressSync } from '../../formats/zstd.ts'
import {
  type ChunkProblem,
  type ExpectedChunk,
  judgeChunk,
  type JudgeAnswer,
  type JudgeStep,
} from './judge-chunk.ts'

/** Judges on this thread: for worker threads. `allocate` gives the memory for decompressed content. */
export function judgeInPlace(
  blob: Uint8Array,
  expected: ExpectedChunk,
  allocate: Allocate,
): ChunkProblem | null {
  const judge = judgeChunk(blob, expected)
  let next = judge.next()
  while (next.done !== true) {
    let answer: JudgeAnswer
    try {
      answer = answerNow(next.value, allocate)
    } catch (error) {
      next = judge.throw(error)
      continue
    }
    next = judge.next(answer)
  }
  return next.value
}

/** Judges with the heavy work in libuv's pool; `blob` must not change meanwhile. */
export async function judgeInPool(
  blob: Uint8Array,
  expected: ExpectedChunk,
): Promise<ChunkProblem | null> {
  const judge = judgeChunk(blob, expected)
  let next = judge.next()
  while (next.done !== true) {
    let answer: JudgeAnswer
    try {
      answer = await answerInPool(next.value)
    } catch (error) {
      next = judge.throw(error)
      continue
    }
    next = judge.next(answer)
  }
  return next.value
}

function answerNow(step: JudgeStep, allocate: Allocate): JudgeAnswer {
  switch (step.kind) {
    case 'crc':
      return crc32(step.bytes)
    case 'decompress':
      return decompressSync(step.bytes, { sizeMax: step.sizeMax, allocate })
    case 'sha256':
      return hash('sha256', step.bytes, 'hex')
    default:
      return step satisfies never
  }
}

async function answerInPool(step: JudgeStep): Promise<JudgeAnswer> {
  switch (step.kind) {
    case 'crc':
      return await crc32InPool(step.bytes)
    case 'decompress':
      return await decompress(step.bytes, { sizeMax: step.sizeMax })
    case 'sha256':
      return await sha256(step.bytes)
    default:
      return step satisfies never
  }
}
