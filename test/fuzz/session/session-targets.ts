/** Calls of both protocols, right and wrong, in any order; see call-target.ts. */
import type { SeededRandom } from '../../../bench/support/random.ts'
import {
  openBackupSession,
  openReaderSession,
  type TestChunk,
} from '../../support/protocol-client.ts'
import type { FuzzTarget } from '../fuzz.ts'
import { pick } from '../mutate.ts'
import { BackupCalls, makeChunks } from './backup-calls.ts'
import { type Call, plainCall } from './call.ts'
import { callTarget } from './call-target.ts'
import type { FuzzedServer } from './fuzzed-server.ts'
import { WITNESS_ARCHIVE, WITNESS_GROUP } from './witness.ts'

const GROUPS = ['host/one', 'vm/2', 'ct/3'] as const

/** Snapshots are ordered by time: each session of a run is later than those before. */
export class Times {
  #last: number

  constructor(first: number) {
    this.#last = first
  }

  next(): number {
    return ++this.#last
  }
}

/** Calls of backup sessions in a few groups. */
export async function backupTarget(
  server: FuzzedServer,
  { random, times }: { readonly random: SeededRandom; readonly times: Times },
): Promise<FuzzTarget> {
  const chunks = await makeChunks(random)
  const json = { wid: 1, 'digest-list': [chunks[0]?.digest], 'offset-list': [0] }
  return callTarget({
    name: 'backup calls',
    samples: [...chunks.map(({ blob }) => blob), Buffer.from(JSON.stringify(json))],
    server,
    async open(choices) {
      const snapshot = { group: pick(GROUPS, choices), time: times.next() }
      const calls = new BackupCalls(chunks, snapshot)
      const { session } = await openBackupSession({
        ...accessOf(server),
        ...snapshot,
        debug: choices.below(4) === 0,
        benchmark: choices.below(8) === 0,
      })
      return { session, next: (more) => calls.next(more) }
    },
  })
}

/** Calls of reader sessions of the ordinary backup `time`. */
export function readerTarget(
  server: FuzzedServer,
  { time, chunks }: { readonly time: number; readonly chunks: readonly TestChunk[] },
): FuzzTarget {
  const samples = [Buffer.from('{"digest":"x"}'), Buffer.alloc(100)]
  return callTarget({
    name: 'reader calls',
    samples,
    server,
    async open() {
      const snapshot = { group: WITNESS_GROUP, time }
      const { session } = await openReaderSession({ ...accessOf(server), ...snapshot })
      const next = async (more: SeededRandom) => ({ call: readerCall(chunks, more), done() {} })
      return { session, next }
    },
  })
}

function readerCall(chunks: readonly TestChunk[], random: SeededRandom): Call {
  const names = [WITNESS_ARCHIVE, 'index.json.blob', 'nothing.blob', 'nothing.fidx']
  switch (random.below(8)) {
    case 0:
      return plainCall('GET', '/')
    case 1:
      return plainCall('GET', '/speedtest')
    case 2:
    case 3:
      return plainCall('GET', '/download', { 'file-name': pick(names, random) })
    default:
      return plainCall('GET', '/chunk', { digest: pick(chunks, random).digest })
  }
}

function accessOf({ target, greeting }: FuzzedServer) {
  return { target, authorization: greeting.authorization }
}
