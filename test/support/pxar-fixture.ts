/** The archives that the stock tool made of the source tree (`test/fixtures/tree/pxar.tar.zst`). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'

const BLOCK_SIZE = 512
const FILE = join(import.meta.dirname, '../fixtures/tree/pxar.tar.zst')

let members: Map<string, Buffer> | null = null

/** Bytes of `source.pxar`, `source.mpxar` or `source.ppxar`; shared, not to be changed. */
export function pxarFixture(name: string): Buffer {
  members ??= readTar(zstdDecompressSync(readFileSync(FILE)))
  const bytes = members.get(name)
  if (bytes === undefined) throw new Error(`no '${name}' in ${FILE}`)
  return bytes
}

/** Regular files of a tar archive with short names. */
function readTar(tar: Buffer): Map<string, Buffer> {
  const files = new Map<string, Buffer>()
  for (let at = 0; at + BLOCK_SIZE <= tar.length; ) {
    const name = tar.toString('latin1', at, at + 100).replace(/\0.*$/s, '')
    if (name === '') break
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 136), 8)
    const start = at + BLOCK_SIZE
    if (tar.toString('latin1', at + 156, at + 157) === '0') {
      files.set(name.replace(/^\.\//, ''), tar.subarray(start, start + size))
    }
    at = start + Math.ceil(size / BLOCK_SIZE) * BLOCK_SIZE
  }
  return files
}
