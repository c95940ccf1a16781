/**
 * Tasks of one server process stopped through another, as during a reload: each process listens on a socket of its
 * own in the run folder, for its own user only. One line, `abort UPID`, is answered by `OK` or `NO`.
 */
import { once } from 'node:events'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { isSystemError, toError } from '../base/errors.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import type { Log } from '../base/log.ts'
import { parseUpid } from '../formats/upid.ts'
import type { TaskRegistry } from '../tasks/task-registry.ts'

export interface TaskControlOptions {
  readonly fs: FileSystem
  /** The run folder. */
  readonly run: string
  readonly tasks: TaskRegistry
  readonly log: Log
}

const SOCKET_NAME = /^tasks-(\d+)\.sock$/
const SOCKET_MODE = 0o600
/** A UPID has some hundred characters. */
const LINE_LENGTH_MAX = 4096
const ANSWER_WAIT_MS = 5_000
const CONNECTIONS_MAX = 16

/** Listens until it is disposed. A socket that cannot be made is a line of the log: the server works without. */
export async function openTaskControl(options: TaskControlOptions): Promise<AsyncDisposable> {
  const { fs, run, log } = options
  const path = socketPath(run, process.pid)
  const server = createServer((socket) => serve(socket, options.tasks))
  server.maxConnections = CONNECTIONS_MAX
  try {
    await removeLeftSockets(fs, run)
    server.listen(path)
    await once(server, 'listening')
    await fs.chmod(path, SOCKET_MODE)
  } catch (error) {
    log.warn('tasks of this process cannot be stopped by others', { error: toError(error).message })
  }
  return { [Symbol.asyncDispose]: async () => await close(server) }
}

/** Asks the process that runs the task to stop it; false if it does not, or there is none. */
export async function abortElsewhere(run: string, upid: string): Promise<boolean> {
  const { pid } = parseUpid(upid)
  if (pid === process.pid) return false
  const socket = createConnection(socketPath(run, pid))
  socket.setTimeout(ANSWER_WAIT_MS, () => socket.destroy())
  try {
    await once(socket, 'connect')
    socket.write(`abort ${upid}\n`)
    return (await readLine(socket)) === 'OK'
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ECONNREFUSED', 'EPIPE', 'ECONNRESET')) return false
    throw error
  } finally {
    socket.destroy()
  }
}

function serve(socket: Socket, tasks: TaskRegistry): void {
  socket.setTimeout(ANSWER_WAIT_MS, () => socket.destroy())
  socket.on('error', () => {})
  void readLine(socket).then(
    (line) => {
      const upid = /^abort (\S+)$/.exec(line)?.[1]
      socket.end(upid !== undefined && tasks.abort(upid) ? 'OK\n' : 'NO\n')
    },
    () => socket.destroy(),
  )
}

/** The first line; what came until the end, if there was none. */
async function readLine(socket: Socket): Promise<string> {
  let text = ''
  for await (const piece of socket.iterator({ destroyOnReturn: false })) {
    text += String(piece)
    const end = text.indexOf('\n')
    if (end >= 0) return text.slice(0, end)
    if (text.length > LINE_LENGTH_MAX) break
  }
  return text
}

/** Of processes that were killed, and of the one that had our number. */
async function removeLeftSockets(fs: FileSystem, run: string): Promise<void> {
  for (const { name } of await fs.readDir(run)) {
    const pid = Number(SOCKET_NAME.exec(name)?.[1] ?? Number.NaN)
    if (Number.isNaN(pid) || (pid !== process.pid && isAlive(pid))) continue
    await fs.unlink(`${run}/${name}`)
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !isSystemError(error, 'ESRCH')
  }
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return
  const closed = once(server, 'close')
  server.close()
  await closed
}

function socketPath(run: string, pid: number): string {
  return `${run}/tasks-${pid}.sock`
}
