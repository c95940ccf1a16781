/** A schedule as a list of steps that a person can follow. */
import { CHUNKS } from './chunks.ts'
import { runSchedule } from './run-schedule.ts'
import type { Schedule } from './schedule.ts'

/** Lines of text: what there is at first, then each step under the operation that takes it. */
export function printSchedule(schedule: Schedule): string[] {
  const lines = [...printWorld(schedule)]
  let last = ''
  const { violation } = runSchedule(schedule, ({ actor, name, detail }, error) => {
    const { id } = actor.process as { readonly id: number }
    const who = `${actor.name} (process ${id})`
    if (who !== last) lines.push(who)
    last = who
    lines.push(`    ${name} ${nice(detail)}${error === undefined ? '' : ` - ${codeOf(error)}`}`)
  })
  lines.push(violation === null ? 'nothing is wrong' : nice(violation.message))
  return lines
}

function* printWorld({ world, operations, parallelMax }: Schedule): Generator<string> {
  const { settings, timeStepMs, stepMs, ready, garbage } = world
  yield `sync level ${settings.syncLevel ?? 'filesystem'}, file times of ${timeStepMs} ms, ${stepMs} ms a step`
  if (world.isSpaceMounted) yield 'namespace m is a file system of its own'
  for (const { group, archives } of ready) {
    const list = Object.entries(archives).map(([name, chunks]) => `${name} ${namesOf(chunks)}`)
    yield `snapshot of ${group}: ${list.join(', ')}`
  }
  if (garbage.length > 0) yield `unreferenced: ${namesOf(garbage)}`
  const names = operations.map(({ id, kind }) => `${kind} #${id}`)
  yield `${names.join(', ')}; ${parallelMax} at a time`
  yield ''
}

function namesOf(chunks: readonly number[]): string {
  return chunks.map((index) => CHUNKS[index]?.name ?? '?').join(' ')
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

/** Paths in our words: chunks by name, locks and state by what they are for. */
function nice(text: string): string {
  let short = text
    .replaceAll('\\x2d', '-')
    .replaceAll('\\x3a', ':')
    .replaceAll('/data/state/datastores/store/', 'state: ')
    .replaceAll('/run/locks/store/', 'lock: ')
    .replaceAll('/data/store/.chunks/', 'chunks/')
    .replaceAll('/data/store/', '')
    .replaceAll('/data/alias/', '')
  for (const { digest, name } of CHUNKS) {
    short = short.replaceAll(`${digest.slice(0, 4)}/${digest}`, name)
    short = short.replaceAll(digest.slice(0, 8), name)
  }
  return short
}
