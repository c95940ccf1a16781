/** Rounds in which the n-th call of the file system fails once, in the middle of a server that goes on. */
import assert from 'node:assert/strict'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { startServer } from '../../src/server/server.ts'
import { type CairnData, tokenEnvironment } from '../support/cairn-data.ts'
import { checkAfterCrash, copyData } from '../support/crash-rig.ts'
import { FaultFileSystem } from '../support/fault-file-system.ts'
import { untilNoTaskRuns } from '../support/running-tasks.ts'
import { backUpSmall, checkRestores, connectTo, listNumbers } from '../support/small-backups.ts'

/** A disk that is full, one that is broken, a process out of descriptors. */
export const ERRNOS = ['ENOSPC', 'EIO', 'EMFILE'] as const

export interface FaultRound {
  readonly stepCount: number
  readonly wasAnswered: boolean
}

/**
 * Backs up in a server in which call `at` fails with `errno` (0: none does): the backup is either answered and there, or
 * gone at once; the server goes on to serve others; the next start finds everything whole.
 */
export async function failAtStep(
  template: CairnData,
  fault: { readonly at: number; readonly errno: string },
  folder: string,
): Promise<FaultRound> {
  const data = copyData(template, folder)
  const faults = new FaultFileSystem(nodeFileSystem)
  const place = { paths: data.paths, host: '127.0.0.1', port: 0 }
  const server = await startServer({ ...place, fs: faults.fs })
  let step = 'no fault'
  try {
    await using connection = await connectTo(tokenEnvironment(data, server))
    faults.reset()
    if (fault.at > 0) faults.plan(fault)
    const wasAnswered = await backUpSmall(connection, { number: 2 }).then(
      () => true,
      () => false,
    )
    // The fault may hit the question itself; it happens once.
    const wait = async (): Promise<void> => await untilNoTaskRuns(connection, data.paths.tasks)
    await wait().catch(wait)
    const stepCount = faults.steps.length
    const { name, path } = faults.steps[fault.at - 1] ?? { name: 'none', path: '' }
    step = `${fault.errno} at call ${fault.at}: ${name} ${path.slice(folder.length)}`
    faults.reset()
    const isThere = existsSync(join(data.data, 'main/host/web1/2026-01-02T00:00:00Z'))
    assert.equal(isThere, wasAnswered, 'there without a restart')
    assert.deepEqual(await listNumbers(connection), wasAnswered ? [1, 2] : [1])
    await backUpSmall(connection, { number: 2, group: 'host/web2' })
    await checkRestores(connection, { number: 2, group: 'host/web2' })
    await server.close()
    await checkAfterCrash(data, { there: wasAnswered ? [1, 2] : [1], step })
    rmSync(folder, { recursive: true })
    return { stepCount, wasAnswered }
  } catch (error) {
    throw new Error(`after ${step}`, { cause: error })
  } finally {
    await server.close({ graceMs: 0 })
  }
}
