/** The recorded source files, unpacked for a test. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'

const FIXTURES = join(import.meta.dirname, '../fixtures')

/** Unpacks `tree/<name>.tar.zst` into the new folder `into`, with owners and attributes if we may. */
export function unpackFixture(name: string, into: string): void {
  mkdirSync(into, { recursive: true })
  const input = zstdDecompressSync(readFileSync(join(FIXTURES, 'tree', `${name}.tar.zst`)))
  const isRoot = process.getuid?.() === 0
  const asRoot = ['--xattrs', '--xattrs-include=*', '--acls', '--numeric-owner', '-p']
  const args = ['-x', '-f', '-', '-C', into, ...(isRoot ? asRoot : [])]
  const { status, stderr } = spawnSync('tar', args, { input, maxBuffer: 64 * 1024 * 1024 })
  // An ordinary user cannot make the devices of the tree; everything else is there.
  if (status !== 0 && isRoot) throw new Error(`tar: ${stderr.toString()}`)
}

/** Path of a recorded file. */
export function fixturePath(...parts: readonly string[]): string {
  return join(FIXTURES, ...parts)
}
