/**
 * Reading a tree into a pxar stream and extracting it, against tar with the same tree.
 *
 *   node bench/archive.ts [TREE]      TREE is any folder; without it a generated one
 */
import { spawn } from 'node:child_process'
import {
  createReadStream,
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { pipeline } from 'node:stream/promises'
import { encodeTree } from '../src/client/backup/tree-walker.ts'
import { extractTree } from '../src/client/restore/extract.ts'
import { makeTree } from './make-data.ts'
import { formatResult, type Result } from './support/result.ts'

const PIECE_SIZE = 1 << 20

/** One round below `folder`, on the tree at `tree` or (null) a generated one; ratios are tar's time / ours. */
export async function benchArchive(folder: string, tree: string | null = null): Promise<Result> {
  const source = tree ?? join(folder, 'tree')
  if (tree === null) makeTree(source, { seed: 'archive' })
  const archive = join(folder, 'tree.pxar')
  const tarball = join(folder, 'tree.tar')
  const restored = join(folder, 'restored')
  const unpacked = join(folder, 'unpacked')
  mkdirSync(unpacked)
  // Once unmeasured, so that all measured runs find the tree in memory.
  await pipeline(copied(encodeTree(source, { onWarning() {} })), createWriteStream(archive))
  const encode = await seconds(async () => await drain(encodeTree(source, { onWarning() {} })))
  const tarRead = await seconds(async () => await run('tar', ['-cf', '-', '-C', source, '.']))
  await run('tar', ['-cf', tarball, '-C', source, '.'])
  const extract = await seconds(
    async () =>
      void (await extractTree(createReadStream(archive, { highWaterMark: PIECE_SIZE }), restored)),
  )
  const tarWrite = await seconds(async () => await run('tar', ['-xpf', tarball, '-C', unpacked]))
  const mib = statSync(archive).size / 2 ** 20
  const row = (name: string, time: number) => ({
    name,
    figures: { s: time.toFixed(2), 'MiB/s': (mib / time).toFixed(0) },
  })
  return {
    title: `Archive of ${mib.toFixed(0)} MiB`,
    rows: [
      row('encodeTree', encode),
      row('tar -c', tarRead),
      row('extractTree', extract),
      row('tar -x', tarWrite),
    ],
    ratios: [
      { name: 'tar -c / encodeTree', value: tarRead / encode, goal: 0.8 },
      { name: 'tar -x / extractTree', value: tarWrite / extract, goal: 0.8 },
    ],
  }
}

/** Pieces that a stream may keep. */
async function* copied(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of stream) yield piece.slice()
}

async function drain(stream: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _piece of stream);
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

/** Runs a program; its output is read and thrown away, as a pipe to somewhere would. */
async function run(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve))
  for await (const _piece of child.stdout);
  const code = await closed
  if (code !== 0) throw new Error(`${program}: exit ${code}`)
}

if (import.meta.main) {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-bench-'))
  try {
    process.stdout.write(formatResult(await benchArchive(folder, process.argv[2] ?? null)))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
