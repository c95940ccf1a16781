import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { suite, test, type TestContext } from 'node:test'
import { FaultFileSystem } from '../../../../test/support/fault-file-system.ts'
import { makeTemporaryFolder } from '../../../../test/support/temporary-folder.ts'
import { nodeFileSystem } from '../../../base/fs/node-file-system.ts'
import type { RunningServer } from '../../../server/server.ts'
import { Serving, type StartedServer } from './serving.ts'
import type { ServiceManager } from './service-manager.ts'

const SUCCESSOR = 4_000_000

/** A server that reloads into a successor which never becomes ready, and what was done, in order. */
async function openServing(context: TestContext) {
  const run = await makeTemporaryFolder(context)
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { fd } = (listener as unknown as { _handle: { fd: number } })._handle
  const stop = new AbortController()
  const done: string[] = []
  let readyAgain = Promise.withResolvers<void>()
  const manager: Partial<ServiceManager> = {
    isPresent: true,
    ready: () => {
      done.push('ready')
      readyAgain.resolve()
      readyAgain = Promise.withResolvers()
    },
    reloading: () => void done.push('reloading'),
    mainProcess: async (pid) => void done.push(`main ${pid === process.pid ? 'own' : pid}`),
  }
  const notToday = Promise.withResolvers<void>()
  notToday.promise.catch(() => {})
  const ended = Promise.withResolvers<number>()
  const successor: StartedServer = {
    pid: SUCCESSOR,
    ended: ended.promise,
    go: () => notToday.reject(new Error('not today')),
    untilReady: async () => await notToday.promise,
    handOver: () => void done.push('hand over'),
    kill: (signal) => {
      done.push(signal)
      ended.resolve(1)
    },
    release: () => {},
  }
  const faults = new FaultFileSystem(nodeFileSystem)
  const server: Partial<RunningServer> = {
    host: '::',
    port: 1,
    descriptor: fd,
    close: async () => void listener.close(),
  }
  const serving = new Serving({
    server: server as RunningServer,
    fs: faults.fs,
    run,
    manager: manager as ServiceManager,
    predecessor: null,
    signal: stop.signal,
    graceMs: 0,
    log: (line) => void done.push(line.replace(String(process.pid), 'own')),
    start: async () => successor,
  })
  const first = readyAgain.promise
  const running = serving.run()
  context.after(async () => {
    stop.abort()
    await running
  })
  await first
  const reload = async (): Promise<void> => {
    const again = readyAgain.promise
    serving.reload()
    await again
  }
  return { reload, faults, done }
}

suite('a reload that fails', () => {
  test('gives the name back before the successor is killed', async (context) => {
    const { reload, done } = await openServing(context)
    await reload()
    assert.deepEqual(done, [
      'ready',
      'reloading',
      `main ${SUCCESSOR}`,
      'reload failed, process own goes on: not today',
      'main own',
      'SIGKILL',
      'ready',
    ])
  })

  test('ends the successor also when no name can be written', async (context) => {
    const { reload, faults, done } = await openServing(context)
    faults.plan({ at: 1, name: 'rename', errno: 'ENOSPC' })
    faults.plan({ at: 2, name: 'rename', errno: 'ENOSPC' })
    await reload()
    assert.deepEqual(
      done.map((line) => line.replace(/: .*/, '')),
      [
        'ready',
        'reloading',
        'reload failed, process own goes on',
        'cannot name process own again',
        'SIGKILL',
        'ready',
      ],
    )
    faults.assertAllUsed()
  })
})
