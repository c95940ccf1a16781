/**
 * Fails on an import that goes up or sideways in the ranks of ARCHITECTURE.md, on a cycle of files,
 * and on an import that is not a relative path ending in `.ts`.
 */
import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { listSources } from './source-files.ts'

const RANKS_0_TO_3 = 'base chunking crypto transport formats archive protocol storage'

/** Folder of `src` -> folders it may import besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  chunking: ['base'],
  crypto: ['base'],
  transport: ['base'],
  formats: ['base', 'crypto'],
  archive: ['base', 'formats'],
  protocol: ['base', 'formats'],
  storage: ['base', 'formats'],
  config: ['base', 'crypto', 'formats', 'protocol'],
  datastore: ['base', 'crypto', 'formats', 'storage'],
  tasks: ['base', 'formats', 'protocol'],
  client: ['base', 'transport', 'chunking', 'crypto', 'formats', 'archive', 'protocol'],
  server: `${RANKS_0_TO_3} config datastore tasks`.split(' '),
  cli: `${RANKS_0_TO_3} config datastore tasks client server`.split(' '),
}

/** Packages that only one room may know: the native seam is the only place that loads koffi. */
const ONLY_IN: Readonly<Record<string, string>> = { koffi: 'src/base/fs/native' }

const STATIC_IMPORT = /(?:^|\n)\s*(?:import|export)\b(?:[^'";]*?\bfrom)?\s*['"]([^'"]+)['"]/g
const DYNAMIC_IMPORT = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g
/** A worker is loaded by URL: it counts for the ranks but cannot make a cycle of modules. */
const WORKER_URL = /new URL\(\s*['"](\.[^'"]+\.ts)['"]/g

/** What is wrong with the imports below `root`, one line each; empty when all is well. */
export function findWrongImports(root: string): string[] {
  const problems: string[] = []
  const graph = new Map<string, string[]>()
  for (const file of listSources(root, ['src', 'bench', 'test', 'tools'])) {
    const text = readFileSync(join(root, file), 'utf8')
    const modules = [...matches(STATIC_IMPORT, text), ...matches(DYNAMIC_IMPORT, text)]
    for (const specifier of [...modules, ...matches(WORKER_URL, text)]) {
      const problem = checkImport(file, specifier)
      if (problem !== null) problems.push(`${file}: ${problem}`)
    }
    const targets = modules
      .filter((name) => name.startsWith('.'))
      .map((name) => resolveFrom(file, name))
    graph.set(file, targets)
  }
  return [...problems, ...findCycles(graph)]
}

function matches(pattern: RegExp, text: string): string[] {
  return Array.from(text.matchAll(pattern), (match) => match[1] ?? '')
}

function checkImport(file: string, specifier: string): string | null {
  if (!specifier.startsWith('.')) return checkPackage(file, specifier)
  if (!/\.(ts|mjs|json)$/.test(specifier)) return `'${specifier}' does not end in .ts`
  if (!file.startsWith('src/') || file.endsWith('.test.ts')) return null
  const target = resolveFrom(file, specifier)
  if (!target.startsWith('src/')) return `'${specifier}' leaves src`
  const from = folderOf(file)
  const to = folderOf(target)
  const allowed = MAY_IMPORT[from]
  if (allowed === undefined) return `folder '${from}' has no rank`
  if (from !== to && !allowed.includes(to)) return `'${from}' may not import '${to}' (${specifier})`
  return null
}

function checkPackage(file: string, specifier: string): string | null {
  const room = ONLY_IN[specifier]
  if (room === undefined || file.startsWith(room) || !file.startsWith('src/')) return null
  return `only ${room} may import '${specifier}'`
}

function findCycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>()
  const path: string[] = []
  const cycles: string[] = []
  for (const file of graph.keys()) visit(file)
  return cycles

  function visit(file: string): void {
    const start = path.indexOf(file)
    if (start >= 0) cycles.push(`cycle: ${[...path.slice(start), file].join(' -> ')}`)
    if (start >= 0 || done.has(file)) return
    path.push(file)
    for (const target of graph.get(file) ?? []) visit(target)
    path.pop()
    done.add(file)
  }
}

function resolveFrom(file: string, specifier: string): string {
  return normalize(join(dirname(file), specifier))
}

function folderOf(file: string): string {
  return file.split('/')[1] ?? ''
}

if (import.meta.main) {
  const problems = findWrongImports(process.argv[2] ?? process.cwd())
  for (const problem of problems) process.stderr.write(`${problem}\n`)
  if (problems.length > 0) process.exitCode = 1
}
