/** Counts how often each repository is used, for shell completion (spec cli 2.5). Best effort. */
import { dirname } from 'node:path'
import { atomicWrite } from '../base/fs/atomic-write.ts'
import type { ClientHost } from './host.ts'
import { cachePath, readUserFile } from './user-files.ts'

/** As stock keeps. */
const REPOSITORIES_MAX = 11

/** One more use of the repository with this display form. */
export async function countUse(host: ClientHost, repository: string): Promise<void> {
  const path = cachePath(host.environment, 'repo-list')
  if (path === null) return
  const counts = parseCounts(await readUserFile(host, path))
  counts.set(repository, (counts.get(repository) ?? 0) + 1)
  const kept = [...counts].toSorted(([, left], [, right]) => right - left)
  const bytes = Buffer.from(JSON.stringify(Object.fromEntries(kept.slice(0, REPOSITORIES_MAX))))
  try {
    await host.fs.mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await atomicWrite(host.fs, path, bytes, { mode: 0o600, durable: false })
  } catch {
    // Completion will not know it; nothing else reads this file.
  }
}

function parseCounts(text: string | null): Map<string, number> {
  let data: unknown
  try {
    data = JSON.parse(text ?? '{}')
  } catch {
    data = {}
  }
  if (typeof data !== 'object' || data === null) return new Map()
  const entries = Object.entries(data).flatMap(([name, count]: [string, unknown]) =>
    typeof count === 'number' ? [[name, count] as const] : [],
  )
  return new Map(entries)
}
