/** What every ChunkBackend promises, run by each implementation (races.md; datastore-semantics.md 3.2). */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { suite, test, type TestContext } from 'node:test'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { silentLog } from '../../src/base/log.ts'
import { CryptConfig } from '../../src/crypto/crypt-config.ts'
import { encodeChunk } from '../../src/formats/chunk.ts'
import { encodeBlob } from '../../src/formats/data-blob.ts'
import { type Digest, digestToBytes } from '../../src/formats/digest.ts'
import { Gate } from '../../src/datastore/uploads/gate.ts'
import { ChunkCache } from '../../src/storage/bucket-chunks/chunk-cache.ts'
import { MemoryLedger } from '../../src/storage/bucket-chunks/memory-ledger.ts'
import { S3Backend } from '../../src/storage/bucket-chunks/s3-backend.ts'
import { type ChunkBackend, noDoubt } from '../../src/storage/chunk-backend.ts'
import { doorLooker, workerLooker } from '../../src/storage/chunk-looker.ts'
import { FilesystemBackend } from '../../src/storage/filesystem-backend.ts'
import { MemoryBackend } from '../../src/storage/memory-backend.ts'
import { MemoryObjectStore } from '../../src/storage/memory-object-store.ts'
import type { ObjectStore } from '../../src/storage/object-store.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { cephMissing, openCephStore } from '../support/ceph.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

interface Rig {
  readonly backend: ChunkBackend
  /** Whether a better encoding, or a whole chunk, replaces what is there; a bucket keeps what it has. */
  readonly replaces: boolean
  /** Puts bytes under a digest past all rules. */
  readonly plant: (digest: Digest, bytes: Uint8Array) => Promise<void>
}

const RIGS: Record<string, (context: TestContext) => Promise<Rig>> = {
  'filesystem, looks in threads': async (context) => await makeFolderRig(context, 'worker'),
  'filesystem, looks through the door': async (context) => await makeFolderRig(context, 'door'),
  memory: async () => {
    const backend = new MemoryBackend('store1')
    const plant = async (digest: Digest, bytes: Uint8Array): Promise<void> => {
      await backend.markBad(digest)
      await backend.put(digest, bytes)
    }
    return { backend, replaces: true, plant }
  },
  bucket: async () => makeBucketRig({}),
  'bucket without conditions': async () => makeBucketRig({ honoursIfNoneMatch: false }),
  'bucket, nothing known': async () => makeBucketRig({ isStale: true }),
  'bucket with a cache': async (context) => {
    const folder = `${await makeTemporaryFolder(context)}/cache`
    const clock = new FakeClock()
    const options = { folder, bytesMax: 1 << 20, clock, log: silentLog }
    const cache = await ChunkCache.open(nodeFileSystem, options)
    context.after(async () => await cache.close())
    return makeBucketRig({ cache })
  },
  'bucket of a real server': async (context) => {
    const objects = await openCephStore(context)
    const plant = async (key: string, bytes: Uint8Array): Promise<void> => {
      await objects.put(key, bytes, { condition: { kind: 'always' } })
    }
    return makeRigOn({ objects, plant })
  },
}

/** Rigs that this machine may lack something for, with what it is. */
const LACKS: Readonly<Record<string, string | null>> = { 'bucket of a real server': cephMissing }

interface BucketRigOptions {
  readonly cache?: ChunkCache
  readonly honoursIfNoneMatch?: boolean
  readonly isStale?: boolean
}

function makeBucketRig(options: BucketRigOptions): Rig {
  const ignores = options.honoursIfNoneMatch === false ? (['absent'] as const) : []
  const objects = new MemoryObjectStore({ clock: new FakeClock(), ignores })
  const plant = async (key: string, bytes: Uint8Array): Promise<void> => {
    objects.plant(key, bytes)
  }
  return makeRigOn({ objects, plant }, options)
}

function makeRigOn(
  bucket: {
    readonly objects: ObjectStore
    readonly plant: (key: string, bytes: Uint8Array) => Promise<void>
  },
  { cache, honoursIfNoneMatch = true, isStale = false }: BucketRigOptions = {},
): Rig {
  const { objects } = bucket
  const clock = new FakeClock()
  const ledger = new MemoryLedger()
  const backend = new S3Backend({
    objects,
    ledger,
    cache: cache ?? null,
    gate: new Gate(),
    prefix: 'store1',
    verdict: { honoursIfNoneMatch },
    isStale: () => isStale,
    clock,
    log: silentLog,
  })
  const plant = async (digest: Digest, bytes: Uint8Array): Promise<void> => {
    await bucket.plant(backend.pathOf(digest), bytes)
    ledger.drop(digest)
  }
  return { backend, replaces: false, plant }
}

async function makeFolderRig(context: TestContext, kind: 'worker' | 'door'): Promise<Rig> {
  const folder = `${await makeTemporaryFolder(context)}/.chunks`
  mkdirSync(folder)
  const looker = kind === 'worker' ? workerLooker() : doorLooker(nodeFileSystem)
  context.after(async () => await looker[Symbol.asyncDispose]())
  const backend = new FilesystemBackend(nodeFileSystem, {
    folder,
    store: 'store1',
    owner: undefined,
    durable: false,
    looker,
    doubt: noDoubt,
    log: silentLog,
  })
  const plant = async (digest: Digest, bytes: Uint8Array): Promise<void> => {
    mkdirSync(`${folder}/${digest.slice(0, 4)}`, { recursive: true })
    writeFileSync(backend.pathOf(digest), bytes)
  }
  return { backend, replaces: true, plant }
}

/** The same content in several encodings; repetitive, so that compression makes it smaller. */
async function makeVariants() {
  const plain = Buffer.from('many words '.repeat(500))
  const { digest, blob: raw } = await encodeChunk(plain, { compress: false })
  const packed = await encodeBlob(plain, { compress: true })
  const crypt = CryptConfig.create(new Uint8Array(32).fill(7))
  const sealed = await encodeBlob(plain, { compress: false, crypt })
  const sealedPacked = await encodeBlob(plain, { compress: true, crypt })
  return { plain, digest, raw, packed, sealed, sealedPacked }
}

for (const [name, makeRig] of Object.entries(RIGS)) {
  suite(`ChunkBackend: ${name}`, { skip: LACKS[name] ?? false }, () => {
    test('stores, finds and reads a chunk; what is missing is missing', async (context) => {
      const { backend } = await makeRig(context)
      const { digest, raw } = await makeVariants()
      assert.equal(await backend.stat(digest), null)
      await assert.rejects(backend.read(digest), { code: 'CHUNK_MISSING', kind: 'NotFound' })
      const put = await backend.put(digest, raw)
      assert.deepEqual(put, { duplicate: false, storedSize: raw.length })
      assert.deepEqual(await backend.stat(digest), { size: raw.length })
      assert.deepEqual(Buffer.from(await backend.read(digest)), Buffer.from(raw))
      const again = await backend.put(digest, raw)
      assert.deepEqual(again, { duplicate: true, storedSize: raw.length })
    })

    test('an existing smaller plain chunk is kept, a bigger one replaced', async (context) => {
      const { backend, replaces } = await makeRig(context)
      const { digest, raw, packed } = await makeVariants()
      await backend.put(digest, raw)
      const smaller = await backend.put(digest, packed)
      if (!replaces) {
        assert.equal(smaller.duplicate, true)
        assert.deepEqual(Buffer.from(await backend.read(digest)), Buffer.from(raw))
        return
      }
      assert.deepEqual(smaller, { duplicate: false, storedSize: packed.length })
      const bigger = await backend.put(digest, raw)
      assert.deepEqual(bigger, { duplicate: true, storedSize: packed.length })
    })

    test('encrypted never replaces plain, nor another encrypted one', async (context) => {
      const { backend, plant, replaces } = await makeRig(context)
      const { digest, raw, packed, sealed, sealedPacked } = await makeVariants()
      await backend.put(digest, packed)
      if (!replaces) {
        // races.md R-70: whatever is there stays, with a ledger and without.
        await plant(digest, packed)
        assert.equal((await backend.put(digest, sealed)).duplicate, true)
        assert.deepEqual(Buffer.from(await backend.read(digest)), Buffer.from(packed))
        return
      }
      await assert.rejects(backend.put(digest, sealed), {
        message: `Overwriting unencrypted chunk '${digest}' on store 'store1' with encrypted chunk with same digest not allowed!`,
      })
      assert.deepEqual(Buffer.from(await backend.read(digest)), Buffer.from(packed))
      const other = await longerSealed()
      await plant(digest, other)
      await assert.rejects(backend.put(digest, sealed), {
        message: `Overwriting existing (encrypted) chunk '${digest}' on store 'store1' is not allowed!`,
      })
      const kept = await backend.put(digest, sealedPacked)
      assert.deepEqual(kept, { duplicate: true, storedSize: other.length })
      const plainAgain = await backend.put(digest, raw)
      assert.equal(plainAgain.duplicate, other.length <= raw.length)
    })

    test('R-55: empty and broken chunks of another size are overwritten', async (context) => {
      const { backend, plant, replaces } = await makeRig(context)
      const { digest, raw, packed, sealed } = await makeVariants()
      if (!replaces) {
        await plant(digest, new Uint8Array())
        assert.equal(await backend.stat(digest), null)
        await assert.rejects(backend.read(digest), { code: 'CHUNK_MISSING' })
        return
      }
      const leftovers = [
        new Uint8Array(),
        raw.subarray(0, 100),
        new Uint8Array(50),
        packed.subarray(0, 20),
      ]
      for (const leftover of leftovers) {
        await plant(digest, leftover)
        if (leftover.length === 0) {
          assert.equal(await backend.stat(digest), null)
          await assert.rejects(backend.read(digest), { code: 'CHUNK_MISSING' })
        }
        assert.equal((await backend.put(digest, raw)).duplicate, false)
        assert.deepEqual(Buffer.from(await backend.read(digest)), Buffer.from(raw))
        await plant(digest, leftover)
        assert.equal((await backend.put(digest, sealed)).duplicate, false)
      }
    })

    test('a chunk marked bad is missing and can be stored again', async (context) => {
      const { backend } = await makeRig(context)
      const { digest, raw } = await makeVariants()
      assert.equal(await backend.markBad(digest), null)
      const places: (string | null)[] = []
      for (let round = 0; round < 12; round += 1) {
        await backend.put(digest, raw)
        places.push(await backend.markBad(digest))
        assert.equal(await backend.stat(digest), null)
      }
      const numbers = places.map((place) => place?.slice(-6))
      const first = Array.from({ length: 10 }, (_, number) => `.${number}.bad`)
      assert.deepEqual(numbers, [...first, '.9.bad', '.9.bad'])
    })

    test('lookMany() names each missing digest once', async (context) => {
      const { backend } = await makeRig(context)
      const chunks = await Promise.all(
        Array.from({ length: 20 }, async (_, number) => {
          return await encodeChunk(Buffer.from(`chunk ${number}`), { compress: false })
        }),
      )
      for (const { digest, blob } of chunks.slice(0, 15)) await backend.put(digest, blob)
      const asked = [...chunks, ...chunks].map(({ digest }) => digestToBytes(digest))
      const look = await backend.lookMany(Buffer.concat(asked))
      assert.equal(look.failure, null)
      const missing = chunks.slice(15).map(({ digest }) => digest)
      assert.deepEqual([...look.missing].toSorted(), missing.toSorted())
      assert.deepEqual((await backend.lookMany(new Uint8Array())).missing, [])
    })
  })
}

async function longerSealed(): Promise<Uint8Array> {
  const crypt = CryptConfig.create(new Uint8Array(32).fill(9))
  return await encodeBlob(Buffer.from('many words '.repeat(501)), { compress: false, crypt })
}

suite('FilesystemBackend', () => {
  test('a failed write leaves no temporary file', async (context) => {
    const { backend } = await makeFolderRig(context, 'door')
    const { digest, raw } = await makeVariants()
    await backend.put(digest, raw)
    const folder = backend.pathOf(digest).slice(0, -65)
    rmSync(backend.pathOf(digest))
    context.mock.method(nodeFileSystem, 'rename', async () => {
      throw new Error('no')
    })
    await assert.rejects(backend.put(digest, raw), /no/)
    assert.deepEqual(readdirSync(folder), [])
  })

  test('what is no regular file is refused', async (context) => {
    const { backend } = await makeFolderRig(context, 'worker')
    const { digest, raw } = await makeVariants()
    mkdirSync(backend.pathOf(digest), { recursive: true })
    await assert.rejects(backend.put(digest, raw), {
      message: `got unexpected file type on store 'store1' for chunk ${digest}`,
    })
    const look = await backend.lookMany(digestToBytes(digest))
    assert.equal(look.failure?.digest, digest)
  })
})
