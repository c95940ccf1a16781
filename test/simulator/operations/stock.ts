/**
 * Another program on the same store, as stock does it: its sessions hold the process lock shared and touch what is there
 * already, its collection holds it exclusively and trusts access times, its moves hold none and write a journal. It keeps
 * no notes and asks none of ours.
 */
import type { FileHandle } from '../../../src/base/fs/file-system.ts'
import type { Datastore } from '../../../src/datastore/datastore.ts'
import { groupPath, snapshotPath } from '../../../src/datastore/layout.ts'
import { appendMoveJournal } from '../../../src/datastore/move/move-journal.ts'
import { formatSnapshot, groupOf, type SnapshotRef } from '../../../src/formats/names.ts'
import { parseNamespace } from '../../../src/formats/namespace.ts'
import { CHUNKS, type SimChunk } from '../chunks.ts'
import { MANIFEST, STORE_FOLDER } from '../places.ts'
import { formatTime, snapshotFiles } from '../ready-snapshots.ts'
import { readDigests } from '../restore.ts'
import type { Actor } from '../actor.ts'
import type { World } from '../world.ts'
import type { StockProcess } from '../stock-process.ts'
import { listVisible, parsePlace, type Running } from './operation.ts'

const GROUPS = ['host/g1', 'm:host/g1', 'host/g3']
const CHUNK_FOLDER = `${STORE_FOLDER}/.chunks`
/** What its temporary files end with. */
export const STOCK_TEMPORARY = '.tmp_STOCK0'
const OWNER = Buffer.from('root@pam\n')
/** Stock's floor: a day and five minutes. */
const CUTOFF_MS = 86_700_000

/** A group goes to the other namespace by renames that nobody registers. */
export async function stockMove({ world, random }: Running): Promise<void> {
  const { fs, locks } = world.stock
  const known = listVisible(world)
  if (known.length === 0) return
  const { ns: source, ref: some } = random.pick(known)
  const target = parseNamespace(source === '' ? 'm' : '')
  const group = groupOf(some)
  const [from, to] = [source, target].map((ns) => groupPath(STORE_FOLDER, ns, group)) as [
    string,
    string,
  ]
  await using held = new AsyncDisposableStack()
  for (const ns of [source, target]) held.use(await locks.lockGroup(ns, group))
  await fs.mkdir(to.slice(0, to.lastIndexOf('/')), { mode: 0o755 }).catch(ignoreExisting)
  await fs.mkdir(to, { mode: 0o755 })
  await write(world.stock, `${to}/owner`, OWNER)
  const refs: SnapshotRef[] = listVisible(world)
    .filter(({ ns, ref }) => ns === source && ref.type === group.type && ref.id === group.id)
    .map(({ ref }) => ref)
  for (const ref of refs) held.use(await locks.lockSnapshot(source, ref, 'exclusive'))
  const store = { fs, locks } as unknown as Datastore
  const paths = refs.map((ref) => snapshotPath(STORE_FOLDER, target, ref))
  await appendMoveJournal(store, paths)
  for (const ref of refs) {
    await fs.rename(
      snapshotPath(STORE_FOLDER, source, ref),
      snapshotPath(STORE_FOLDER, target, ref),
    )
  }
  await fs.unlink(`${from}/owner`)
  await fs.rmdir(from)
}

/** A backup that finds what is there and touches it; at its end it looks at nothing again. */
export async function stockBackup({ world, random, actor }: Running): Promise<void> {
  const { stock } = world
  const { ns, group } = parsePlace(random.pick(world.hasOneGroup ? ['host/g1'] : GROUPS))
  await using held = new AsyncDisposableStack()
  held.use(await processLock(stock, 'shared'))
  held.use(await stock.locks.lockGroup(ns, group))
  const time = world.takeTime()
  const ref = { ...group, time }
  const place = `${ns === '' ? '' : `${ns}:`}${group.type}/${group.id}`
  using _live = noteWriter(world, { actor, group: place, time })
  held.use(await stock.locks.lockSnapshot(ns, ref, 'exclusive'))
  const folder = groupPath(STORE_FOLDER, ns, group)
  await stock.fs.mkdir(folder.slice(0, folder.lastIndexOf('/'))).catch(ignoreExisting)
  await makeGroup(stock, folder)
  const path = snapshotPath(STORE_FOLDER, ns, ref)
  await stock.fs.mkdir(path)
  const numbers = [random.below(world.chunkCount), random.below(world.chunkCount)]
  const digests = new Set<string>()
  world.foreignSessions.add(digests)
  try {
    for (const number of numbers) {
      const chunk = CHUNKS[number] as SimChunk
      await insert(stock, chunk)
      digests.add(chunk.digest)
    }
    const key = `${ns === '' ? '' : `${ns}:`}${formatSnapshot(ref)}`
    const archives = new Map([['a.didx', numbers.map((number) => CHUNKS[number]?.digest ?? '')]])
    const expected = world.ledger.begin(key, archives)
    for (const [name, data] of snapshotFiles(place, time, { 'a.didx': numbers })) {
      if (name === MANIFEST) await stock.fs.syncFileSystem(STORE_FOLDER)
      await write(stock, `${path}/${name}`, data)
    }
    await stock.fs.syncFileSystem(path)
    expected.isAnswered = true
  } finally {
    world.foreignSessions.delete(digests)
  }
}

/** Whoever makes the folder writes the owner; a group that is there and has none is refused. */
async function makeGroup(stock: StockProcess, folder: string): Promise<void> {
  try {
    await stock.fs.mkdir(folder)
  } catch (error) {
    ignoreExisting(error)
    await stock.fs.readFile(`${folder}/owner`)
    return
  }
  await write(stock, `${folder}/owner`, OWNER)
}

/** It has its group for itself from here until the result is disposed (I9). */
function noteWriter(
  world: World,
  { actor, group, time }: { readonly actor: Actor; readonly group: string; readonly time: number },
): Disposable {
  const key = `${group}/${formatTime(time)}`
  const live = { actor, group, key, baseKey: null, written: new Set<string>(), finishStep: null }
  world.checker.sessionBegins(live)
  world.liveWriters.add(live)
  return { [Symbol.dispose]: () => void world.liveWriters.delete(live) }
}

/** A collection that marks by access times. */
export async function stockCollect({ world }: Running): Promise<void> {
  const { stock } = world
  await using _lock = await processLock(stock, 'exclusive')
  const cutoffMs = world.scheduler.nowMs + world.scheduler.wallOffsetMs - CUTOFF_MS
  for await (const path of indexesBelow(stock, STORE_FOLDER)) {
    const data = await stock.fs.readFile(path).catch(ignoreMissing)
    for (const digest of data === undefined ? [] : (readDigests(path, data) ?? [])) {
      await stock.fs.touch(chunkPath(digest)).catch(ignoreMissing)
    }
  }
  for (const { name: folder } of await stock.fs.readDir(CHUNK_FOLDER)) {
    for (const { name } of await stock.fs.readDir(`${CHUNK_FOLDER}/${folder}`)) {
      const path = `${CHUNK_FOLDER}/${folder}/${name}`
      const stat = await stock.fs.lstat(path).catch(ignoreMissing)
      if (stat === undefined || Number(stat.atimeNs / 1_000_000n) >= cutoffMs) continue
      await stock.fs.unlink(path).catch(ignoreMissing)
    }
  }
}

async function insert(stock: StockProcess, { digest, blob }: SimChunk): Promise<void> {
  const path = chunkPath(digest)
  const known = await stock.fs.stat(path).catch(ignoreMissing)
  if (known !== undefined && known.size > 0) return await stock.fs.touch(path)
  await stock.fs.mkdir(path.slice(0, path.lastIndexOf('/'))).catch(ignoreExisting)
  await write(stock, path, blob)
}

/** Under a name of its own first. */
async function write({ fs }: StockProcess, path: string, data: Uint8Array): Promise<void> {
  const temporary = `${path}${STOCK_TEMPORARY}`
  {
    await using handle = await fs.open(temporary, 'create')
    await handle.write(data, 0)
  }
  await fs.rename(temporary, path)
}

async function* indexesBelow(stock: StockProcess, folder: string): AsyncGenerator<string> {
  for (const { name, kind } of (await stock.fs.readDir(folder).catch(ignoreMissing)) ?? []) {
    if (name.startsWith('.')) continue
    if (kind === 'folder') yield* indexesBelow(stock, `${folder}/${name}`)
    else if (/\.[fd]idx$/.test(name)) yield `${folder}/${name}`
  }
}

function chunkPath(digest: string): string {
  return `${CHUNK_FOLDER}/${digest.slice(0, 4)}/${digest}`
}

/** On a descriptor of its own; busy is an error. */
async function processLock(
  { fs }: StockProcess,
  mode: 'shared' | 'exclusive',
): Promise<FileHandle> {
  const handle = await fs.open(`${STORE_FOLDER}/.lock`, 'read-write-create')
  if (handle.tryLock('record', mode)) return handle
  await handle.close()
  throw Object.assign(new Error('the process lock is busy'), { code: 'EAGAIN' })
}

function ignoreMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
}

function ignoreExisting(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
}
