/** A client that backs up: new, incremental with known chunks, on a cloned index; to the end or not. */
import type { Digest } from '../../../src/formats/digest.ts'
import { encodeManifestBlob } from '../../../src/formats/manifest.ts'
import { formatSnapshot, groupOf, type SnapshotRef } from '../../../src/formats/names.ts'
import type { NamespacePath } from '../../../src/formats/namespace.ts'
import { silentProgress } from '../../../src/base/progress.ts'
import { beginBackup } from '../../../src/datastore/sessions/begin-backup.ts'
import type { BackupWriter } from '../../../src/datastore/sessions/backup-writer.ts'
import type { IndexWriter } from '../../../src/datastore/sessions/index-writer.ts'
import { CHUNK_SIZE, CHUNKS, type SimChunk } from '../chunks.ts'
import { readDigests } from '../restore.ts'
import { indexOf } from '../ready-snapshots.ts'
import type { LiveWriter } from '../checker.ts'
import { openStore, parsePlace, type Running, UPID } from './operation.ts'

const NO_STATS = { count: 0, size: 0, compressed_size: 0, duplicates: 0 }
const GROUPS = ['host/g1', 'host/g1', 'host/g1', 'm:host/g1', 'host/g2']
const ARCHIVES = ['a.didx', 'b.fidx']
/** Chunks of one archive. */
const CHUNK_COUNT_MAX = 2

class ClientVanished extends Error {}

/** What a client does with one archive. */
export interface ArchivePlan {
  readonly name: string
  readonly chunks: readonly number[]
}

interface ManifestEntry {
  readonly filename: string
  readonly size: number
  readonly csum: string
}

/** One client; some leave in the middle. */
class Client {
  readonly #writer: BackupWriter
  readonly #running: Running
  readonly #live: LiveWriter
  readonly #leavesAt: number
  readonly #base: ReadonlyMap<string, readonly string[]>
  readonly files: ManifestEntry[] = []
  #steps = 0

  constructor(running: Running, writer: BackupWriter, live: LiveWriter) {
    const { random } = running
    this.#writer = writer
    this.#live = live
    this.#running = running
    this.#leavesAt = random.chance(0.2) ? 1 + random.below(8) : 99
    this.#base = writer.base === null ? new Map() : baseOf(running, writer)
  }

  async send(plan: ArchivePlan): Promise<void> {
    const { random } = this.#running
    const base = this.#base.get(plan.name)
    if (base !== undefined && random.chance(0.8)) await this.#fetchBase(plan.name)
    const index = await this.#begin(plan, base)
    const isClone = index.kind === 'fixed' && index.incremental
    const chunks = isClone ? changed(plan, base as readonly string[]) : entries(plan)
    // As clients do: chunks are sent while others are appended.
    await Promise.all(
      (random.chance(0.3) ? chunks : []).map(async ({ chunk }) => await this.#upload(chunk)),
    )
    for (const { chunk, position } of chunks) {
      this.#stay()
      if (this.#writer.knownSize(chunk.digest) === undefined) await this.#upload(chunk)
      await index.append([chunk.digest], [position * CHUNK_SIZE])
    }
    this.#stay()
    await this.#close(plan, index, chunks.length)
  }

  async finish(): Promise<void> {
    const { type, id, time } = this.#writer.ref
    const files = this.files.map((file) => ({ ...file, cryptMode: 'none' as const }))
    const manifest = { backupType: type, backupId: id, backupTime: time, files }
    const blob = await encodeManifestBlob({ ...manifest, signature: null, unprotected: {} })
    await this.#writer.writeBlob('index.json.blob', blob)
    this.#stay()
    this.#live.finishStep = this.#running.world.stepCount
    await this.#writer.finish(NO_STATS)
  }

  async #fetchBase(name: string): Promise<void> {
    try {
      await this.#writer.registerPrevious(name)
    } catch (error) {
      // Clients go on without: they send everything then.
      if (!(error instanceof Error) || !('code' in error)) throw error
    }
  }

  async #begin(plan: ArchivePlan, base: readonly string[] | undefined): Promise<IndexWriter> {
    if (plan.name.endsWith('.didx')) return await this.#writer.createDynamicIndex(plan.name)
    const size = plan.chunks.length * CHUNK_SIZE
    const { random } = this.#running
    const canClone = base?.length === plan.chunks.length && random.chance(0.7)
    const reuseCsum = canClone ? csumOf(plan.name, base) : null
    return await this.#writer.createFixedIndex(plan.name, { size, reuseCsum })
  }

  async #upload(chunk: SimChunk): Promise<void> {
    this.#stay()
    const { world } = this.#running
    const beganAtStep = world.stepCount
    const result = await this.#writer.insertChunk(chunk.digest, chunk.blob, CHUNK_SIZE)
    if (!result.duplicate) this.#live.written.add(chunk.digest)
    world.checker.checkStored(chunk.digest)
    world.confirmedAtStep.set(chunk.digest, world.stepCount)
    world.checkHealed(chunk.digest, beganAtStep)
  }

  async #close(plan: ArchivePlan, index: IndexWriter, chunkCount: number): Promise<void> {
    const { csum } = indexOf(plan.name, plan.chunks)
    const size = plan.chunks.length * CHUNK_SIZE
    await index.close({ chunkCount, size, csum })
    this.files.push({ filename: plan.name, size, csum })
  }

  #stay(): void {
    this.#steps += 1
    if (this.#steps === this.#leavesAt) throw new ClientVanished('the client vanished')
  }
}

export async function backUp(running: Running): Promise<void> {
  const { random, world } = running
  const place = random.pick(world.hasOneGroup ? ['host/g1'] : GROUPS)
  const { ns, group } = parsePlace(place)
  await backUpAs(running, {
    place,
    ns,
    ref: { ...group, time: 0 },
    takeTime: () => world.takeTime(),
  })
}

interface BackupPlace {
  /** `m:host/g1`. */
  readonly place: string
  readonly ns: NamespacePath
  readonly ref: SnapshotRef
  /** Asked when the session begins; else it is the time of `ref`. */
  takeTime?(): number
  readonly plans?: readonly ArchivePlan[]
}

export async function backUpAs(running: Running, where: BackupPlace): Promise<void> {
  const { world } = running
  const { place, ns, ref } = where
  const plans = where.plans ?? planArchives(running)
  const store = await openStore(running)
  const time = where.takeTime?.() ?? ref.time
  const isCached = world.bucket === null || running.random.chance(0.6)
  const request = { ns, group: groupOf(ref), time, caller: 'root@pam', benchmark: false, isCached }
  const writer = await beginBackup(store, request)
  writer.attachTask({ upid: UPID, progress: silentProgress() })
  const live = liveWriter(running, writer, place)
  world.checker.sessionBegins(live)
  world.liveWriters.add(live)
  try {
    await runClient(running, { writer, live, plans })
  } catch (error) {
    if (!(error instanceof ClientVanished)) throw error
  } finally {
    if (writer.state !== 'finished') world.liveWriters.delete(live)
    await writer.abort()
    world.liveWriters.delete(live)
  }
}

async function runClient(
  running: Running,
  session: { writer: BackupWriter; live: LiveWriter; plans: readonly ArchivePlan[] },
): Promise<void> {
  const { world } = running
  const { writer, live, plans } = session
  const archives = new Map(plans.map(({ name, chunks }) => [name, digestsOf(chunks)] as const))
  const expected = world.ledger.begin(live.key, archives)
  const client = new Client(running, writer, live)
  for (const plan of plans) await client.send(plan)
  await client.finish()
  expected.isAnswered = true
  if (world.settings.syncLevel !== 'none') world.checker.checkDurable(live.key)
}

function liveWriter(running: Running, writer: BackupWriter, place: string): LiveWriter {
  const prefix = place.startsWith('m:') ? 'm:' : ''
  const { base, ref } = writer
  return {
    actor: running.actor,
    group: place,
    key: `${prefix}${formatSnapshot(ref)}`,
    written: new Set(),
    finishStep: null,
    baseKey: base === null ? null : `${prefix}${formatSnapshot(base)}`,
  }
}

function planArchives({ random, world }: Running): ArchivePlan[] {
  const count = random.chance(0.4) ? 1 : 2
  const first = random.below(ARCHIVES.length)
  return Array.from({ length: count }, (_, index) => ({
    name: ARCHIVES[(first + index) % ARCHIVES.length] as string,
    chunks: pickChunks(random.below(1 << 20), world.chunkCount),
  }))
}

function pickChunks(number: number, chunkCount: number): number[] {
  const count = 1 + (number % CHUNK_COUNT_MAX)
  return Array.from({ length: count }, (_, index) => (number >>> (4 + 4 * index)) % chunkCount)
}

function digestsOf(chunks: readonly number[]): Digest[] {
  return chunks.map((index) => (CHUNKS[index] as SimChunk).digest)
}

function entries(plan: ArchivePlan) {
  return plan.chunks.map((index, position) => ({ chunk: CHUNKS[index] as SimChunk, position }))
}

/** On a cloned index a client sends what differs. */
function changed(plan: ArchivePlan, base: readonly string[]) {
  return entries(plan).filter(({ chunk, position }) => base[position] !== chunk.digest)
}

function baseOf({ world }: Running, writer: BackupWriter): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>()
  if (writer.base === null) return found
  const folder = `${writer.path.slice(0, writer.path.lastIndexOf('/'))}/${formatSnapshot(writer.base).split('/')[2] ?? ''}`
  for (const name of ARCHIVES) {
    const { inode } = world.machine.find(`${folder}/${name}`)
    const digests = inode === undefined ? null : readDigests(name, inode.data)
    if (digests !== null) found.set(name, digests)
  }
  return found
}

function csumOf(name: string, digests: readonly string[]): string {
  const numbers = digests.map((digest) => CHUNKS.findIndex((chunk) => chunk.digest === digest))
  return indexOf(name, numbers).csum
}
