/** Damaged HTTP/2 behind the 101 of both protocols. */
import type { FuzzTarget } from '../fuzz.ts'
import { frameSamples } from './frame-samples.ts'
import type { FuzzedServer } from './fuzzed-server.ts'
import { refusal } from './judge.ts'
import { RawConnection } from './raw-connection.ts'
import { checkAnswers, formatRequest, HEAD_END, upgradeRequest } from './requests.ts'
import type { Times } from './session-targets.ts'
import { WITNESS_GROUP } from './witness.ts'

/** Groups that take turns: the one before may not have ended yet. */
const GROUP_COUNT = 16

/** Frames on sessions; `witnessTime` is that of a snapshot of `WITNESS_GROUP`. */
export async function frameTarget(
  server: FuzzedServer,
  { times, witnessTime }: { readonly times: Times; readonly witnessTime: number },
): Promise<FuzzTarget> {
  const { authorization } = server.greeting
  return {
    name: 'HTTP/2 frames',
    samples: await frameSamples(),
    mayRefuseSamples: true,
    // The connection is served as far as it goes; single streams are refused on it.
    isLenient: true,
    async decode(bytes, random) {
      const time = times.next()
      const head = formatRequest(
        random.below(3) === 0
          ? upgradeRequest('reader', { group: WITNESS_GROUP, time: witnessTime, authorization })
          : upgradeRequest('backup', {
              group: `host/raw${time % GROUP_COUNT}`,
              time,
              authorization,
            }),
      )
      const connection = await RawConnection.open(server)
      // The first frames may come right behind the request.
      const early = random.below(4) === 0 ? random.below(bytes.length) : 0
      await connection.send(Buffer.concat([head, bytes.subarray(0, early)]), random)
      await connection.waitFor(HEAD_END)
      checkAnswers(connection.received)
      if (!connection.received.startsWith('HTTP/1.1 101')) throw refusal(connection.received)
      await connection.send(bytes.subarray(early), random)
      await connection.finish(random)
    },
    end: async () => await server.checkQuiet(),
  }
}
