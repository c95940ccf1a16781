/**
 * An ordinary backup that lives beside the fuzzing, in a group of its own: whatever others send, it goes
 * on, finishes, and is read back byte for byte.
 */
import { strict as assert } from 'node:assert'
import { SeededRandom } from '../../../bench/support/random.ts'
import { decodeBlob } from '../../../src/formats/data-blob.ts'
import {
  type BackupClient,
  chunkOf,
  dynamicCsum,
  manifestBlob,
  openBackupSession,
  openReaderSession,
  type TestChunk,
} from '../../support/protocol-client.ts'
import type { FuzzedServer } from './fuzzed-server.ts'

export const WITNESS_GROUP = 'host/witness'
export const WITNESS_ARCHIVE = 'root.pxar.didx'
const CHUNK_SIZE = 20_000

export class Witness {
  readonly #server: FuzzedServer
  readonly #random = new SeededRandom('witness')
  #time: number
  #session: BackupClient | null = null
  #chunks: TestChunk[] = []
  #finished: readonly TestChunk[] = []
  #wid = 0

  constructor(server: FuzzedServer, { firstTime }: { readonly firstTime: number }) {
    this.#server = server
    this.#time = firstTime
  }

  /** Of the last finished backup. */
  get chunks(): readonly TestChunk[] {
    return this.#finished
  }

  /** Uploads one chunk more; the first begins the backup. */
  async step(): Promise<void> {
    const session = this.#session ?? (await this.#begin())
    const chunk = await chunkOf(this.#random.bytes(CHUNK_SIZE))
    expectGood(await session.uploadChunk('dynamic', this.#wid, chunk))
    const offset = this.#chunks.length * CHUNK_SIZE
    expectGood(await session.append('dynamic', this.#wid, [{ digest: chunk.digest, offset }]))
    this.#chunks.push(chunk)
  }

  /** Finishes the backup, reads it back, and can begin another. The time of the snapshot. */
  async finish(): Promise<number> {
    await this.step()
    const session = this.#session as BackupClient
    const size = this.#chunks.length * CHUNK_SIZE
    const csum = dynamicCsum(this.#chunks)
    const close = { wid: this.#wid, chunkCount: this.#chunks.length, size, csum }
    expectGood(await session.closeIndex('dynamic', close))
    const file = { filename: WITNESS_ARCHIVE, size, csum }
    const snapshot = { group: WITNESS_GROUP, time: this.#time }
    const manifest = await manifestBlob(snapshot, [file])
    expectGood(await session.uploadBlob('index.json.blob', manifest))
    expectGood(await session.finish())
    await session.close()
    await this.#readBack()
    this.#session = null
    this.#finished = this.#chunks
    this.#chunks = []
    return this.#time++
  }

  async #begin(): Promise<BackupClient> {
    const session = await openBackupSession(this.#request())
    this.#session = session
    const answer = expectGood(await session.createDynamic(WITNESS_ARCHIVE))
    this.#wid = answer.data as number
    return session
  }

  async #readBack(): Promise<void> {
    await using reader = await openReaderSession(this.#request())
    const query = { 'file-name': WITNESS_ARCHIVE }
    expectGood(await reader.call('GET', '/download', { query }))
    for (const { digest, blob } of this.#chunks) {
      const { body } = expectGood(await reader.call('GET', '/chunk', { query: { digest } }))
      const sizeMax = 2 * CHUNK_SIZE
      const [read, written] = await Promise.all(
        [body, blob].map(async (encoded) => await decodeBlob(encoded, { sizeMax })),
      )
      assert.deepEqual(read, written)
    }
  }

  #request() {
    const { target, greeting } = this.#server
    const { authorization } = greeting
    return { target, authorization, group: WITNESS_GROUP, time: this.#time }
  }
}

function expectGood<Answer extends { readonly status: number; readonly text: string }>(
  answer: Answer,
): Answer {
  assert.equal(answer.status, 200, `the ordinary backup: ${answer.status} ${answer.text}`)
  return answer
}
