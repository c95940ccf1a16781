/** Everything a client can send to a server, fuzzed while an ordinary backup goes on beside it. */
import { SeededRandom } from '../../../bench/support/random.ts'
import type { FuzzTarget } from '../fuzz.ts'
import type { FuzzedServer } from './fuzzed-server.ts'
import { frameTarget } from './frame-target.ts'
import { restTarget, upgradeTarget } from './request-targets.ts'
import { backupTarget, readerTarget, Times } from './session-targets.ts'
import { Witness } from './witness.ts'

/** 2027: later than anything in the fixtures. */
const FIRST_TIME = 1_800_000_000
const WITNESS_EVERY = 50

/** The targets of one server. */
export async function sessionTargets(server: FuzzedServer): Promise<FuzzTarget[]> {
  const witness = new Witness(server, { firstTime: FIRST_TIME })
  const times = new Times(FIRST_TIME)
  const random = new SeededRandom('session targets')
  const witnessTime = await witness.finish()
  const targets = [
    await backupTarget(server, { random, times }),
    readerTarget(server, { time: witnessTime, chunks: witness.chunks }),
    await frameTarget(server, { times, witnessTime }),
    upgradeTarget(server, { times, witnessTime }),
    restTarget(server),
  ]
  return targets.map((target) => witnessed(target, witness, server))
}

/** `target` with an ordinary backup that goes on in between, and one more when all is over. */
function witnessed(target: FuzzTarget, witness: Witness, server: FuzzedServer): FuzzTarget {
  let count = 0
  return {
    ...target,
    async decode(bytes, random) {
      if (count++ % WITNESS_EVERY === 0) await witness.step()
      await target.decode(bytes, random)
    },
    async end() {
      await witness.finish()
      await target.end?.()
      await witness.finish()
      await server.checkQuiet()
    },
  }
}
