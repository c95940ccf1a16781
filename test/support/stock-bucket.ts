/** The objects of the bucket that stock 4.2.3 wrote (`test/fixtures/s3`), for tests. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { zstdDecompressSync } from 'node:zlib'
import type { MemoryObjectStore } from '../../src/storage/memory-object-store.ts'
import { fixturePath } from './fixture-files.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

/** Datastores in it; `fxs3small` has a chunk that was marked bad. */
export const STOCK_STORES = ['fxs3', 'fxs3small'] as const

/** Unpacks the objects as files named by their keys, and plants them into `memory`. The folder. */
export async function plantStockBucket(
  context: TestContext,
  memory: MemoryObjectStore,
): Promise<string> {
  const folder = await makeTemporaryFolder(context)
  const input = zstdDecompressSync(readFileSync(fixturePath('s3', 'objects.tar.zst')))
  const { status, stderr } = spawnSync('tar', ['-x', '-f', '-', '-C', folder], { input })
  if (status !== 0) throw new Error(`tar: ${stderr.toString()}`)
  for (const store of STOCK_STORES) {
    for (const name of readdirSync(join(folder, store), { recursive: true }).map(String)) {
      const path = join(folder, store, name)
      if (statSync(path).isFile()) memory.plant(`${store}/${name}`, readFileSync(path))
    }
  }
  return folder
}
