/** Schedules of races.md that belong to the collection, on the real code; the door engine is stopped between calls. */
import { strict as assert } from 'node:assert'
import { rename, mkdir, readFile, readdir, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { suite, test, type TestContext } from 'node:test'
import {
  aheadClock,
  DAY,
  forget,
  gc,
  gcStore,
  hasChunk,
  T0,
} from '../../../test/support/collection.ts'
import { FaultFileSystem, type Step } from '../../../test/support/fault-file-system.ts'
import {
  appendArchive,
  backUp,
  begin,
  finish,
  makeChunk,
  type TestStoreOptions,
  writeArchive,
} from '../../../test/support/test-store.ts'
import type { FileSystem } from '../../base/fs/file-system.ts'
import { nodeFileSystem } from '../../base/fs/node-file-system.ts'
import { systemError } from '../../base/fs/system-error.ts'
import { silentProgress } from '../../base/progress.ts'
import { formatBackupTime } from '../../formats/backup-time.ts'
import type { Datastore } from '../datastore.ts'
import type { BackupWriter } from '../sessions/backup-writer.ts'

async function rig(context: TestContext, options: TestStoreOptions = {}) {
  const faults = new FaultFileSystem(options.fs ?? nodeFileSystem)
  const made = await gcStore(context, { ...options, fs: faults.fs })
  /** Runs `action` before the first call that `when` accepts. */
  const before = (when: (step: Step) => boolean, action: () => Promise<void>): { ran: boolean } => {
    const state = { ran: false }
    faults.onStep(async (step) => {
      if (state.ran || !when(step)) return
      state.ran = true
      await action()
    })
    return state
  }
  return { ...made, faults, before }
}

const opens = (suffix: string) => (step: Step) => step.name === 'open' && step.path.endsWith(suffix)
const readsFolder = (part: string) => (step: Step) =>
  step.name === 'readDir' && step.path.includes(part)
const isChunkUnlink = ({ name, path }: Step) => name === 'unlink' && path.includes('/.chunks/')
const unlinks = (faults: FaultFileSystem): number => faults.steps.filter(isChunkUnlink).length

/** Files that `isOld` accepts look two days old. */
function olderFiles(
  fs: FileSystem,
  isOld: (file: { readonly path: string }) => boolean,
): FileSystem {
  const lstat = async (path: string) => {
    const stat = await fs.lstat(path)
    const ageNs = isOld({ path }) ? BigInt(2 * DAY) * 1_000_000_000n : 0n
    return { ...stat, mtimeNs: stat.mtimeNs - ageNs, ctimeNs: stat.ctimeNs - ageNs }
  }
  return new Proxy(fs, {
    get: (target, name) => {
      if (name === 'lstat') return lstat
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** A backup that gets its chunk from the base only: nothing of it passes the gate. */
async function backUpKnown(store: Datastore, time: number, text: string): Promise<void> {
  const writer = await begin(store, time)
  await writer.registerPrevious('root.pxar.didx')
  const { digest, size } = await makeChunk(text)
  await appendArchive(writer, 'root.pxar.didx', [{ digest, size }])
  await finish(writer)
}

suite('collection against removal', () => {
  test('R-01: an index that is forgotten between listing and opening is no error', async (context) => {
    const { store, before } = await rig(context)
    await backUp(store, T0, ['gone'])
    await backUp(store, T0 + DAY, ['kept'])
    const state = before(opens('.didx'), async () => await forget(store, T0))
    await gc(store)
    assert.ok(state.ran)
    assert.ok(await hasChunk(store, 'kept'))
  })

  for (const errno of ['EACCES', 'EIO', 'ESTALE']) {
    test(`R-01: ${errno} at an index ends the run with nothing removed`, async (context) => {
      const { store, faults } = await rig(context)
      await backUp(store, T0, ['old'])
      await backUp(store, T0 + DAY, ['new'])
      await forget(store, T0)
      faults.reset()
      faults.onStep((step) => {
        if (opens('.didx')(step)) throw systemError(errno, 'open', step.path)
      })
      await assert.rejects(gc(store), (error: Error) => {
        assert.match(error.message, /^marking used chunks failed: can't open file '"\/.*didx"': /)
        return true
      })
      assert.equal(unlinks(faults), 0)
      assert.equal(store.core.processLock.isExclusive, false)
    })
  }

  test('R-03: a base that is pruned before it is read, after a backup that only knows it', async (context) => {
    const { store, before } = await rig(context)
    await backUp(store, T0, ['d'])
    const action = before(opens('.didx'), async () => {
      await backUpKnown(store, T0 + DAY, 'd')
      await forget(store, T0)
    })
    await gc(store)
    assert.ok(action.ran)
    assert.ok(await hasChunk(store, 'd'))
  })

  test('R-05: a folder that goes between its listing and its reading is left out', async (context) => {
    const { store, before } = await rig(context)
    await backUp(store, T0, ['gone'])
    await backUp(store, T0 + DAY, ['kept'])
    const state = before(readsFolder('web1/20'), async () => await forget(store, T0))
    await gc(store)
    assert.ok(state.ran)
    assert.ok(await hasChunk(store, 'kept'))
  })
})

suite('the walk', () => {
  test('R-02: a group that reads empty once is found by the next walk', async (context) => {
    let lies = 0
    const fs: FileSystem = {
      ...nodeFileSystem,
      readDir: async (path) => {
        if (path.endsWith('host/web1') && lies > 0) {
          lies -= 1
          return []
        }
        return await nodeFileSystem.readDir(path)
      },
    }
    const { store } = await rig(context, { fs })
    await backUp(store, T0, ['d'])
    lies = 1
    await gc(store)
    assert.equal(lies, 0)
    assert.ok(await hasChunk(store, 'd'))
  })

  test('R-06: marks indexes in strange places, with a warning, and follows no link', async (context) => {
    const { store } = await rig(context)
    await backUp(store, T0, ['strange', 'linked'])
    const folder = `${store.path}/host/web1/${new Date(T0 * 1000).toISOString().slice(0, 19)}Z`
    await mkdir(`${store.path}/foreign/deep`, { recursive: true })
    await writeFile(`${store.path}/foreign/deep/x.didx`, await readFile(`${folder}/root.pxar.didx`))
    await mkdir(`${store.path}/../outside`)
    await writeFile(`${store.path}/../outside/y.didx`, await readFile(`${folder}/root.pxar.didx`))
    await symlink(`${store.path}/../outside`, `${store.path}/foreign/link`)
    await forget(store, T0)
    const lines: string[] = []
    const status = await gc(store, { lines })
    assert.equal(status['index-file-count'], 1)
    assert.ok(await hasChunk(store, 'strange'))
    assert.ok(lines.includes('WARN: Found 1 index files outside of expected directory scheme'))
  })

  test('R-06: an unreadable folder ends the run, unless it is lost+found', async (context) => {
    const { store, faults } = await rig(context)
    await backUp(store, T0, ['d'])
    await mkdir(`${store.path}/lost+found`)
    const refuse = (part: string) => (step: Step) => {
      if (readsFolder(part)(step)) throw systemError('EACCES', 'scandir', step.path)
    }
    faults.onStep(refuse('lost+found'))
    await gc(store)
    faults.onStep(refuse('host/web1'))
    await assert.rejects(
      gc(store),
      /cannot continue garbage-collection safely, permission denied on: "/,
    )
  })

  test('R-06: a datastore inside or around this one is refused', async (context) => {
    const { store, folder } = await rig(context)
    await mkdir(`${store.path}/inner/.chunks`, { recursive: true })
    await assert.rejects(gc(store), { code: 'COLLECTION_UNSAFE' })
    await rm(`${store.path}/inner`, { recursive: true })
    await gc(store)
    await mkdir(`${folder}/.chunks`)
    await assert.rejects(gc(store), { code: 'COLLECTION_UNSAFE' })
  })

  test('R-61: an index moved behind the walk is found by the next one', async (context) => {
    const { store, before } = await rig(context)
    await backUp(store, T0, ['d'])
    await mkdir(`${store.path}/ns/a/host`, { recursive: true })
    // The walk reads `host` before `ns/a`; a stock server moves the other way in between.
    await rename(`${store.path}/host/web1`, `${store.path}/ns/a/host/web1`)
    const state = before(readsFolder('/ns/a'), async () => {
      await rename(`${store.path}/ns/a/host/web1`, `${store.path}/host/web1`)
    })
    await gc(store)
    assert.ok(state.ran)
    assert.ok(await hasChunk(store, 'd'))
  })
})

suite('collection and sessions', () => {
  test('R-10: a long session keeps what it uploaded; without it, the next run takes it', async (context) => {
    const { store } = await rig(context)
    await backUp(store, T0, ['other'])
    const writer = await begin(store, T0 + DAY)
    const { digest, blob, size } = await makeChunk('d')
    await writer.insertChunk(digest, blob, size)
    const status = await gc(store)
    assert.ok(await hasChunk(store, 'd'))
    assert.equal(status['disk-chunks'], 2)
    await writer.abort()
    await gc(store)
    assert.equal(await hasChunk(store, 'd'), false)
  })

  test('R-13, R-67: an upload beside the unlink waits, and writes the chunk again', async (context) => {
    const { store, before } = await rig(context)
    await backUp(store, T0, ['d'])
    await backUp(store, T0 + DAY, ['base'])
    await forget(store, T0)
    const writer = await begin(store, T0 + 2 * DAY)
    const { digest, blob, size } = await makeChunk('d')
    let upload: Promise<unknown> = Promise.resolve()
    const state = before(isChunkUnlink, async () => {
      upload = writer.insertChunk(digest, blob, size)
      assert.ok(store.core.gate.isWaitedFor(digest))
      await Promise.resolve()
    })
    const status = await gc(store)
    await upload
    assert.ok(state.ran)
    assert.equal(status['removed-chunks'], 1)
    assert.ok(await hasChunk(store, 'd'))
    await writer.abort()
  })

  test('R-14, D2: a duplicate of a session that began after the start is kept', async (context) => {
    const { store, before } = await rig(context)
    await backUp(store, T0, ['d'])
    await backUp(store, T0 + DAY, ['base'])
    await forget(store, T0)
    const { digest, blob, size } = await makeChunk('d')
    let writer: BackupWriter | null = null
    const state = before(readsFolder('.chunks'), async () => {
      writer = await begin(store, T0 + 2 * DAY)
      assert.equal((await writer.insertChunk(digest, blob, size)).duplicate, true)
    })
    const status = await gc(store)
    assert.ok(state.ran)
    assert.equal(status['removed-chunks'], 0)
    assert.ok(await hasChunk(store, 'd'))
    await (writer as BackupWriter | null)?.abort()
  })

  test('D1: an upload in flight holds its gate: what it found stays', async (context) => {
    const { store, faults } = await rig(context)
    await backUp(store, T0, ['d'])
    await backUp(store, T0 + DAY, ['base'])
    await forget(store, T0)
    const writer = await begin(store, T0 + 2 * DAY)
    const { digest, blob, size } = await makeChunk('d')
    const held = Promise.withResolvers<void>()
    const reached = Promise.withResolvers<void>()
    let isFirst = true
    faults.onStep(async (step) => {
      if (!isFirst || step.name !== 'touch') return
      isFirst = false
      reached.resolve()
      await held.promise
    })
    const upload = writer.insertChunk(digest, blob, size)
    await reached.promise
    const status = await gc(store)
    assert.equal(status['removed-chunks'], 0)
    held.resolve()
    assert.equal((await upload).duplicate, true)
    assert.ok(await hasChunk(store, 'd'))
    await writer.abort()
  })

  test('D3: a register between the hook and the seeding, by a session that ends at once', async (context) => {
    const { store, before } = await rig(context)
    await backUp(store, T0, ['base'])
    const writer = await begin(store, T0 + DAY)
    await writeArchive(writer, 'root.pxar.didx', ['d'])
    const state = before(readsFolder('/store'), async () => await finish(writer))
    await gc(store)
    assert.ok(state.ran)
    assert.ok(await hasChunk(store, 'd'))
  })

  test('R-17, D10: refused while another holder of the process lock collects', async (context) => {
    const { store } = await rig(context)
    await backUp(store, T0, ['d'])
    using _running = store.core.collection.begin()
    await assert.rejects(gc(store), { message: 'Start GC failed - (already running/locked)' })
  })

  test('D11: uploads in a loop of collections: the gate stays small and is empty at the end', async (context) => {
    const { store } = await rig(context)
    await backUp(store, T0, ['base'])
    const writer = await begin(store, T0 + DAY)
    let sizeMax = 0
    const uploads = { areOver: false }
    const upload = async (worker: number): Promise<void> => {
      for (let index = 0; index < 30; index += 1) {
        const { digest, blob, size } = await makeChunk(`chunk ${(worker * 7 + index) % 100}`)
        await writer.insertChunk(digest, blob, size)
        sizeMax = Math.max(sizeMax, store.core.gate.size)
      }
    }
    const loop = (async () => {
      while (!uploads.areOver) await gc(store)
    })()
    await Promise.all(Array.from({ length: 8 }, async (_value, worker) => await upload(worker)))
    uploads.areOver = true
    await loop
    assert.ok(sizeMax <= 8 + 1000)
    assert.equal(store.core.gate.size, 0)
    for (let index = 0; index < 79; index += 1) assert.ok(await hasChunk(store, `chunk ${index}`))
    await writer.abort()
  })
})

suite('plausibility', () => {
  test('R-15: a clock that was set during the marking removes nothing', async (context) => {
    let step = 0
    const clock = { ...aheadClock, now: () => aheadClock.now() + step }
    const { store, faults, before } = await rig(context, { clock })
    await backUp(store, T0, ['d'])
    await backUp(store, T0 + DAY, ['e'])
    await forget(store, T0)
    faults.reset()
    before(opens('.didx'), async () => {
      step = -48 * 3_600_000
      await Promise.resolve()
    })
    await assert.rejects(gc(store), /the system time was set by -172800 s/)
    assert.equal(unlinks(faults), 0)
  })

  test('R-56: what a cut update of a manifest left goes when it is a day old', async (context) => {
    const { store } = await rig(context)
    await backUp(store, T0, ['d'])
    const folder = `${store.path}/host/web1/${formatBackupTime(T0)}`
    const names = ['index.json.blob.tmp_Ab3xYz', 'index.json.blob.tmp_Cd3xYz', 'other.tmp_Ab3xYz']
    for (const name of names) await writeFile(`${folder}/${name}`, 'half')
    const isOld = ({ path }: { readonly path: string }): boolean => path.endsWith('Ab3xYz')
    const fs = olderFiles(store.fs, isOld)
    await gc({ ...store, fs })
    const left = (await readdir(folder)).filter((name) => name.includes('.tmp_'))
    assert.deepEqual(left.toSorted(), names.slice(1))
  })

  test('R-08: the cutoff is that of the start, however long the marking takes', async (context) => {
    let passed = 0
    const clock = {
      ...aheadClock,
      now: () => aheadClock.now() + passed,
      monotonic: () => aheadClock.monotonic() + passed,
    }
    const settings = { gcGraceMs: 86_700_000 }
    const { store, before } = await rig(context, { clock, settings })
    await backUp(store, T0, ['d'])
    await backUp(store, T0 + DAY, ['e'])
    await forget(store, T0)
    before(opens('.didx'), async () => {
      passed = 30 * 3_600_000
      await Promise.resolve()
    })
    const status = await gc(store)
    assert.equal(status['pending-chunks'], 1)
    assert.ok(await hasChunk(store, 'd'))
  })

  test('R-63: all devices are synced before the first unlink, and a failed sync removes nothing', async (context) => {
    const { store, faults } = await rig(context)
    await backUp(store, T0, ['d'])
    await backUp(store, T0 + DAY, ['e'])
    await forget(store, T0)
    faults.reset()
    faults.plan({ at: 1, name: 'handle.syncFileSystem', errno: 'EIO' })
    await assert.rejects(gc(store), { code: 'SYNC_FAILED' })
    faults.assertAllUsed()
    assert.equal(unlinks(faults), 0)
    assert.ok(await hasChunk(store, 'd'))
    await gc(store)
    const names = faults.steps.map(({ name }) => name)
    const first = faults.steps.findIndex(isChunkUnlink)
    assert.ok(names.lastIndexOf('handle.syncFileSystem', first) >= 0)
  })

  test('chunks without a single index are left alone until that is confirmed', async (context) => {
    const { store } = await rig(context)
    await backUp(store, T0, ['d'])
    await rename(`${store.path}/host`, `${store.path}/../host`)
    // As after backups by stock: no note says that they came.
    await rm(`${store.core.collection.folder}/removals`, { recursive: true })
    await assert.rejects(gc(store), /there are chunks, but not a single index file/)
    assert.ok(await hasChunk(store, 'd'))
    await gc(store, { isConfirmed: true })
    assert.equal(await hasChunk(store, 'd'), false)
  })

  test('a store whose last snapshot was removed needs no confirmation', async (context) => {
    const { store } = await rig(context)
    await backUp(store, T0, ['d'])
    await gc(store)
    await forget(store, T0)
    await gc(store)
    assert.equal(await hasChunk(store, 'd'), false)
  })

  test('an abort leaves locks, gate and hook as they were', async (context) => {
    const { store, faults } = await rig(context)
    await backUp(store, T0, ['d'])
    await backUp(store, T0 + DAY, ['e'])
    await forget(store, T0)
    for (const when of [readsFolder('/store'), opens('.didx'), readsFolder('.chunks/')]) {
      const controller = new AbortController()
      faults.onStep((step) => {
        if (when(step)) controller.abort(new Error('abort requested - aborting task'))
      })
      const progress = silentProgress(controller.signal)
      await assert.rejects(gc(store, { progress }), { message: 'abort requested - aborting task' })
      assert.equal(store.core.gate.size, 0)
      assert.equal(store.core.processLock.isExclusive, false)
      assert.equal(store.core.sessions.onRegister, null)
      assert.equal(store.core.collection.isRunning, false)
      assert.ok(await hasChunk(store, 'd'))
    }
    faults.onStep(null)
    await gc(store)
    assert.equal(await hasChunk(store, 'd'), false)
  })
})

suite('memory of the last run', () => {
  const bodyReads = (faults: FaultFileSystem): number =>
    faults.steps.filter(({ name, path }) => name === 'handle.read' && path.endsWith('.didx')).length

  test('R-68: a repeat reads headers only; one with something to delete reads all again first', async (context) => {
    const { store, faults } = await rig(context)
    await backUp(store, T0, ['d', 'e'])
    await backUp(store, T0 + DAY, ['e', 'f'])
    await gc(store)
    faults.reset()
    const status = await gc(store)
    assert.equal(bodyReads(faults), 2)
    assert.equal(status['disk-chunks'], 3)
    assert.equal(status['index-file-count'], 2)
    await forget(store, T0)
    faults.reset()
    await gc(store)
    assert.equal(await hasChunk(store, 'd'), false)
    assert.ok(await hasChunk(store, 'f'))
    const first = faults.steps.findIndex(isChunkUnlink)
    const reads = faults.steps.slice(0, first).filter(({ name, path }) => {
      return name === 'handle.read' && path.endsWith('.didx')
    })
    assert.equal(reads.length, 3)
    faults.reset()
    await gc(store)
    assert.equal(bodyReads(faults), 1)
    assert.ok(await hasChunk(store, 'e'))
  })

  test('R-68: an index that is another one under the same identity loses nothing', async (context) => {
    // Coarse times and a reused inode: the header says the same, the chunks are others.
    const fs: FileSystem = {
      ...nodeFileSystem,
      lstat: async (path) => {
        const stat = await nodeFileSystem.lstat(path)
        return path.endsWith('.didx') ? { ...stat, ino: 7n, ctimeNs: 7n } : stat
      },
      open: async (path, mode, fileMode) => {
        const handle = await nodeFileSystem.open(path, mode, fileMode)
        if (!path.endsWith('.didx')) return handle
        return new Proxy(handle, {
          get: (target, key) => {
            const value: unknown = Reflect.get(target, key, target)
            if (key === 'stat')
              return async () => ({ ...(await target.stat()), ino: 7n, ctimeNs: 7n })
            return typeof value === 'function' ? value.bind(target) : value
          },
        })
      },
    }
    const { store } = await rig(context, { fs })
    await backUp(store, T0, ['aaa'])
    await gc(store)
    const name = `${store.path}/host/web1/${new Date(T0 * 1000).toISOString().slice(0, 19)}Z/root.pxar.didx`
    const bytes = await readFile(name)
    await backUp(store, T0 + DAY, ['bbb'], { group: 'host/web2' })
    const { digest } = await makeChunk('bbb')
    Buffer.from(digest, 'hex').copy(bytes, 4096 + 8)
    await writeFile(name, bytes)
    await forget(store, T0 + DAY, 'host/web2')
    await gc(store)
    assert.ok(await hasChunk(store, 'bbb'))
  })

  test('R-69: an index that vanished keeps its chunks until that is confirmed', async (context) => {
    const { store, folder } = await rig(context)
    await backUp(store, T0, ['kept'])
    await backUp(store, T0, ['mounted'], { group: 'host/web2' })
    await gc(store)
    await rename(`${store.path}/host/web2`, `${folder}/elsewhere`)
    for (let run = 0; run < 3; run += 1) {
      const lines: string[] = []
      await gc(store, { lines })
      assert.ok(await hasChunk(store, 'mounted'))
      assert.ok(lines.some((line) => line.startsWith('WARN: 1 known index files are gone')))
    }
    await gc(store, { isConfirmed: true })
    assert.equal(await hasChunk(store, 'mounted'), false)
    assert.ok(await hasChunk(store, 'kept'))
  })

  test('R-69: a group that goes between its listing and its reading stops the run', async (context) => {
    const { store, folder, before } = await rig(context)
    await backUp(store, T0, ['kept'])
    await backUp(store, T0, ['mounted'], { group: 'host/web2' })
    // As after backups by stock: no note says that they came.
    await rm(`${store.core.collection.folder}/removals`, { recursive: true })
    const state = before(
      ({ name, path }) => name === 'open' && path.includes('/web2/') && path.endsWith('.didx'),
      async () => await rename(`${store.path}/host/web2`, `${folder}/elsewhere`),
    )
    await assert.rejects(gc(store), { code: 'COLLECTION_UNSAFE' })
    assert.ok(state.ran)
    assert.ok(await hasChunk(store, 'mounted'))
    await rename(`${folder}/elsewhere`, `${store.path}/host/web2`)
    await gc(store)
    assert.ok(await hasChunk(store, 'mounted'))
  })

  test('R-69: an index that vanished stops the run when its list is lost', async (context) => {
    const { store, folder } = await rig(context)
    await backUp(store, T0, ['kept'])
    await backUp(store, T0, ['mounted'], { group: 'host/web2' })
    await gc(store)
    await rename(`${store.path}/host/web2`, `${folder}/elsewhere`)
    const memory = store.core.collection.folder
    for (const name of await readdir(memory)) {
      if (name.startsWith('runs-')) await unlink(`${memory}/${name}`)
    }
    await assert.rejects(gc(store), { code: 'COLLECTION_UNSAFE' })
    assert.ok(await hasChunk(store, 'mounted'))
    await rename(`${folder}/elsewhere`, `${store.path}/host/web2`)
    await gc(store)
    assert.ok(await hasChunk(store, 'mounted'))
  })

  test('R-69: a note of a removal that is still to come is not forgotten', async (context) => {
    const { store, before } = await rig(context)
    await backUp(store, T0, ['d'])
    await backUp(store, T0 + DAY, ['e'])
    // The removal has noted itself and is about to rename when the collection runs from end to end.
    const state = before(
      ({ name, path }) => name === 'rename' && path.includes('/store/host/web1/'),
      async () => void (await gc(store)),
    )
    await forget(store, T0)
    assert.ok(state.ran)
    const lines: string[] = []
    await gc(store, { lines })
    assert.equal(lines.filter((line) => line.startsWith('WARN')).length, 0)
    assert.equal(await hasChunk(store, 'd'), false)
  })
})
