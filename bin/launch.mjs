#!/usr/bin/env node
// Runs a TypeScript program of this package under the Node that `npm ci` brought, whatever Node started us.
// Plain JavaScript without newer syntax: it must run on Node 20.
import { spawn } from 'node:child_process'
import { existsSync, fstatSync } from 'node:fs'
import module, { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { isatty } from 'node:tty'
import { fileURLToPath, pathToFileURL } from 'node:url'

const OLDEST_NODE_MAJOR = 24
/**
 * Received data lies in buffers outside the heap, and V8 counts them as old objects: with its defaults it collects
 * the whole heap every 12 MiB. So young objects (and their buffers) are collected often, old ones late; MiB.
 */
const HEAP_FLAGS = ['--max-semi-space-size=2', '--initial-old-space-size=128']

/** Path of the Node of the optional dependency for this platform, or null where there is none. */
export function bundledNode() {
  const require = createRequire(import.meta.url)
  try {
    const manifest = require.resolve(`node-${process.platform}-${process.arch}/package.json`)
    const program = join(dirname(manifest), 'bin', 'node')
    return existsSync(program) ? program : null
  } catch {
    return null
  }
}

/** Starts `script` with `args`: in this process if it is the right Node with the right flags. */
export async function launch(script, args) {
  const program = bundledNode() ?? (nodeMajor() >= OLDEST_NODE_MAJOR ? process.execPath : null)
  const isRightProgram = program !== null && resolve(process.execPath) === resolve(program)
  if (isRightProgram && HEAP_FLAGS.every((flag) => process.execArgv.includes(flag))) {
    process.argv = [process.argv[0], script, ...args]
    module.enableCompileCache?.(compileCache())
    await import(pathToFileURL(script).href)
    return
  }
  if (program === null) {
    process.stderr.write(
      `Cannot start: Node ${process.version} is too old (${OLDEST_NODE_MAJOR} or newer is needed) and ` +
        `npm brought none for ${process.platform}-${process.arch}\n`,
    )
    process.exitCode = 1
    return
  }
  const flags = [...HEAP_FLAGS, '--disable-warning=ExperimentalWarning']
  const argv = [program, ...flags, script, ...args]
  const env = { ...process.env, NODE_COMPILE_CACHE: compileCache() }
  const descriptors = namedDescriptors(args, process.env)
  const canReplace = typeof process.execve === 'function' && descriptors.length === 0
  if (canReplace) process.execve(program, argv, env)
  spawnAndFollow(program, argv.slice(1), { env, descriptors })
}

/**
 * Open descriptors that the program is told to read: `--keyfd 5`, `PBS_PASSWORD_FD=5`, `/dev/fd/5`. Node closes low
 * ones at the next exec, whoever opened them; only a child can be given them anew.
 */
export function namedDescriptors(args, environment) {
  const words = args.join('\n')
  const found = [
    ...words.matchAll(/^--?(?:keyfd|master-pubkey-fd)[=\n](\d{1,3})$/gm),
    ...words.matchAll(/\/(?:dev|proc\/self)\/fd\/(\d{1,3})$/gm),
  ].map((match) => match[1])
  for (const [name, value] of Object.entries(environment)) {
    if (/^PBS_[A-Z_]+_FD$/.test(name) && /^\d{1,3}$/.test(value)) found.push(value)
  }
  return [...new Set(found.map(Number))].filter(
    (descriptor) => descriptor > 2 && isOpen(descriptor),
  )
}

function isOpen(descriptor) {
  try {
    fstatSync(descriptor)
    return true
  } catch {
    return false
  }
}

/** Compiled code is kept in the user's own folder: one in /tmp could be another user's. */
function compileCache() {
  const folder = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
  return process.env.NODE_COMPILE_CACHE ?? join(folder, 'cairn')
}

function hasTerminal() {
  return [0, 1, 2].some((descriptor) => isatty(descriptor))
}

function nodeMajor() {
  return Number(process.versions.node.split('.')[0])
}

function spawnAndFollow(program, args, { env, descriptors }) {
  const stdio = Array.from({ length: Math.max(2, ...descriptors) + 1 }, () => 'ignore')
  for (const descriptor of [0, 1, 2, ...descriptors]) stdio[descriptor] = descriptor
  const child = spawn(program, args, { stdio, env })
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2']) {
    process.on(signal, () => {
      // Ctrl-C reaches both of us, and a second one would mean: at once.
      if (signal !== 'SIGINT' || !hasTerminal()) child.kill(signal)
    })
  }
  child.on('error', (error) => {
    process.stderr.write(`Cannot start '${program}': ${error.message}\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [script, ...args] = process.argv.slice(2)
  if (script === undefined) {
    process.stderr.write('usage: launch.mjs SCRIPT [ARGUMENT ...]\n')
    process.exitCode = 2
  } else {
    await launch(resolve(script), args)
  }
}
