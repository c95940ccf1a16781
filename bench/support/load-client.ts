/**
 * A client that does nothing but send: its chunks are made before the clock starts.
 *
 *   load-client.ts COUNT SEED     needs PBS_REPOSITORY, PBS_PASSWORD, PBS_FINGERPRINT; prints {"seconds": …}
 */
import { performance } from 'node:perf_hooks'
import { forEachConcurrent } from '../../src/base/async/map-concurrent.ts'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { systemClock } from '../../src/base/time/clock.ts'
import { type NewChunk, openBackupSession } from '../../src/client/backup-session.ts'
import { openConnection } from '../../src/client/connection.ts'
import { parseRepository } from '../../src/client/repository.ts'
import { encodeChunkParts } from '../../src/formats/chunk.ts'
import { parseBackupId } from '../../src/formats/names.ts'
import { LOAD_CHUNK_SIZE, loadChunk } from './load-chunks.ts'

/** Enough to keep the server busy, few enough to be what a client would do. */
const UPLOADS_AT_ONCE = 8

const [count, seed = ''] = process.argv.slice(2)
const chunks: NewChunk[] = []
for (let index = 0; index < Number(count); index++) {
  const plain = loadChunk(seed, index)
  const { digest, header, payload } = await encodeChunkParts(plain, { compress: true })
  const encodedSize = header.length + payload.length
  chunks.push({ digest, size: plain.length, encodedSize, parts: [header, payload] })
}

const refuse = () => Promise.reject(new Error('no person here'))
const host = {
  fs: nodeFileSystem,
  clock: systemClock,
  environment: process.env,
  prompt: { isInteractive: false, askSecret: refuse, askLine: refuse },
  log: () => {},
  nodeName: 'bench',
}
const repository = parseRepository(process.env['PBS_REPOSITORY'] ?? '')
await using connection = await openConnection(host, repository)
await using session = await openBackupSession(connection, {
  namespace: '',
  snapshot: { type: 'host', id: parseBackupId('load'), time: Math.floor(Date.now() / 1000) },
  noCache: false,
})
const size = chunks.length * LOAD_CHUNK_SIZE
const writer = await session.createIndex('fixed', 'load.img.fidx', size)
const start = performance.now()
await forEachConcurrent(chunks, { concurrency: UPLOADS_AT_ONCE }, async (chunk) => {
  await session.uploadChunk('fixed', writer, chunk)
})
process.stdout.write(JSON.stringify({ seconds: (performance.now() - start) / 1000 }))
