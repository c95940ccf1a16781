/** Where restored bytes go: a new file, sparse where it can be, or a pipe. */
import { type FileHandle, open } from 'node:fs/promises'
import { errors } from '../errors.ts'
import { systemText } from '../host.ts'
import type { PlainChunk } from './remote-chunks.ts'

/** A pipe; `write` resolves when more is welcome. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void>
}

/** Zeros are written to pipes in pieces of this size. */
const ZEROS = new Uint8Array(1024 * 1024)

/** Writes all of `bytes` to `path`. @throws TARGET_NOT_CREATED also when it exists, unless `replace` */
export async function writeNewFile(
  path: string,
  bytes: Uint8Array,
  { replace }: { readonly replace: boolean },
): Promise<void> {
  await using handle = await createTarget(path, replace ? 'w' : 'wx')
  await handle.writeFile(bytes)
}

/** Writes chunks one after the other, zeros included. */
export async function pipeSink(pipe: ByteSink, chunks: AsyncIterable<PlainChunk>): Promise<void> {
  // Nothing is released: a pipe may still hold what it has taken.
  for await (const { bytes, size } of chunks) {
    if (bytes === null) await pipeZeros(pipe, size)
    else await pipe.write(bytes)
  }
}

async function pipeZeros(pipe: ByteSink, size: number): Promise<void> {
  for (let rest = size; rest > 0; rest -= ZEROS.length) {
    await pipe.write(rest >= ZEROS.length ? ZEROS : ZEROS.subarray(0, rest))
  }
}

/** Opens a new file for writing. @throws TARGET_NOT_CREATED */
export async function createTarget(path: string, flags: 'w' | 'wx'): Promise<FileHandle> {
  try {
    return await open(path, flags)
  } catch (cause) {
    throw errors.TARGET_NOT_CREATED({ path, reason: systemText(cause) })
  }
}
