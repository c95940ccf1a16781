#!/usr/bin/env node
// Runs a TypeScript program of this package under the Node that `npm ci` brought, whatever Node started us.
// Plain JavaScript without newer syntax: it must run on Node 20.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const OLDEST_NODE_MAJOR = 24

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

/** Starts `script` with `args`: in this process if it is new enough and nothing better is there. */
export async function launch(script, args) {
  const program = bundledNode()
  const isBundled = program !== null && resolve(process.execPath) === resolve(program)
  if (isBundled || (program === null && nodeMajor() >= OLDEST_NODE_MAJOR)) {
    process.argv = [process.argv[0], script, ...args]
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
  const argv = [program, '--disable-warning=ExperimentalWarning', script, ...args]
  if (typeof process.execve === 'function') process.execve(program, argv, process.env)
  spawnAndFollow(program, argv.slice(1))
}

function nodeMajor() {
  return Number(process.versions.node.split('.')[0])
}

function spawnAndFollow(program, args) {
  const child = spawn(program, args, { stdio: 'inherit' })
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2']) {
    process.on(signal, () => child.kill(signal))
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
