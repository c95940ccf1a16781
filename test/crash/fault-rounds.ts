/** Rounds in which the n-th call of the file system fails once, in the middle of a server that goes on. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import type { Connection } from '../../src/client/connection.ts'
import { startServer } from '../../src/server/server.ts'
import { type CairnData, tokenEnvironment } from '../support/cairn-data.ts'
import { checkAfterCrash, copyData } from '../support/crash-rig.ts'
import { FaultFileSystem } from '../support/fault-file-system.ts'
import { openFilesBelow } from '../support/power-cut.ts'
import { untilNoTaskRuns } from '../support/running-tasks.ts'
import { backUpSmall, checkRestores, connectTo, listNumbers } from '../support/small-backups.ts'
import { unsyncedFileSystem } from '../support/unsynced-file-system.ts'
import type { FaultScenario } from './fault-scenarios.ts'

/** A disk that is full, one that is broken, a process out of descriptors. */
export const ERRNOS = ['ENOSPC', 'EIO', 'EMFILE'] as const

export interface FaultRound {
  readonly stepCount: number
  readonly wasAnswered: boolean
}

interface Fault {
  readonly at: number
  readonly errno: string
}

/**
 * Plays `scenario` in a server in which call `at` fails with `errno` (0: none does): what was answered is there; the
 * server goes on to serve others, and can do then what it could not; the next start finds everything whole.
 */
export async function failAtStep(
  template: CairnData,
  scenario: FaultScenario,
  { folder, ...fault }: Fault & { readonly folder: string },
): Promise<FaultRound> {
  const data = copyData(template, folder)
  const faults = new FaultFileSystem(unsyncedFileSystem)
  const place = { paths: data.paths, host: '127.0.0.1', port: 0 }
  const server = await startServer({ ...place, fs: faults.fs })
  let step = 'no fault'
  try {
    await using connection = await connectTo(tokenEnvironment(data, server))
    await scenario.prepare?.(connection, data)
    await untilNoTaskRuns(connection, data.paths.tasks)
    const { wasAnswered, steps } = await act(scenario, fault, { connection, data, faults })
    const { name, path } = steps[fault.at - 1] ?? { name: 'none', path: '' }
    step = `${scenario.name}, ${fault.errno} at call ${fault.at}: ${name} ${path.slice(folder.length)}`
    const { there, maybe = [] } = scenario.expect(wasAnswered)
    const numbers = await listNumbers(connection)
    const known = new Set([...there, ...maybe])
    assert.deepEqual(
      numbers.filter((number) => there.includes(number) || !known.has(number)),
      there,
      'without a restart',
    )
    await scenario.again?.(connection)
    await backUpSmall(connection, { number: 2, group: 'host/web2' })
    await checkRestores(connection, { number: 2, group: 'host/web2' })
    await server.close()
    // What nobody closes ends the process when its garbage is collected.
    assert.deepEqual(openFilesBelow(folder), [], 'left open')
    const { end = numbers, backups = [] } = scenario
    await checkAfterCrash(data, { there: end, backups, step, fs: unsyncedFileSystem })
    rmSync(folder, { recursive: true })
    return { stepCount: steps.length, wasAnswered }
  } catch (error) {
    throw new Error(`after ${step}`, { cause: error })
  } finally {
    await server.close({ graceMs: 0 })
  }
}

interface Rig {
  readonly connection: Connection
  readonly data: CairnData
  readonly faults: FaultFileSystem
}

async function act(
  scenario: FaultScenario,
  fault: Fault,
  { connection, data, faults }: Rig,
): Promise<{ wasAnswered: boolean; steps: FaultFileSystem['steps'] }> {
  faults.reset()
  if (fault.at > 0) faults.plan(fault)
  const wasAnswered = await scenario.act(connection).then(
    () => true,
    () => false,
  )
  // The fault may hit the question itself; it happens once.
  const wait = async (): Promise<void> => await untilNoTaskRuns(connection, data.paths.tasks)
  await wait().catch(wait)
  const steps = [...faults.steps]
  faults.reset()
  return { wasAnswered, steps }
}
