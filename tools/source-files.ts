/** Which source files the checks look at. */
import { readdirSync } from 'node:fs'
import { join, relative } from 'node:path'

const LEFT_OUT = new Set(['node_modules', '.git', 'fixtures', 'dist', 'cairn-data'])

/** Paths of the TypeScript files below `folders`, relative to `root`, sorted. */
export function listSources(root: string, folders: readonly string[]): string[] {
  const files: string[] = []
  for (const folder of folders) walk(join(root, folder))
  return files.map((file) => relative(root, file)).sort()

  function walk(folder: string): void {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (LEFT_OUT.has(entry.name)) continue
      const path = join(folder, entry.name)
      if (entry.isDirectory()) walk(path)
      else if (entry.name.endsWith('.ts')) files.push(path)
    }
  }
}
