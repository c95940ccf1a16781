/** Wrong requests on HTTP/1.1, which ask for a session or for anything else. */
import type { SeededRandom } from '../../../bench/support/random.ts'
import type { FuzzTarget } from '../fuzz.ts'
import { pick } from '../mutate.ts'
import { type Call, jsonCall, mutateCall, plainCall } from './call.ts'
import type { FuzzedServer } from './fuzzed-server.ts'
import { refusal } from './judge.ts'
import { RawConnection } from './raw-connection.ts'
import {
  checkAnswers,
  formatRequest,
  HEAD_END,
  type HttpRequest,
  upgradeRequest,
} from './requests.ts'
import type { Times } from './session-targets.ts'
import { WITNESS_GROUP } from './witness.ts'

/** Requests that open sessions; `witnessTime` is that of a snapshot of `WITNESS_GROUP`. */
export function upgradeTarget(
  server: FuzzedServer,
  { times, witnessTime }: { readonly times: Times; readonly witnessTime: number },
): FuzzTarget {
  const { authorization } = server.greeting
  const reader = { group: WITNESS_GROUP, time: witnessTime, authorization }
  return requestTarget(server, 'upgrade requests', () => {
    const time = times.next()
    const missing = upgradeRequest('backup', { group: 'host/upgrade', time, authorization })
    return [
      missing,
      upgradeRequest('backup', { group: 'vm/upgrade', time, ns: 'a/b', authorization }),
      upgradeRequest('reader', reader),
      { ...missing, headers: missing.headers.slice(0, 1) },
    ]
  })
}

/** REST calls on a datastore of their own. */
export function restTarget(server: FuzzedServer): FuzzTarget {
  const store = '/api2/json/admin/datastore/store2'
  const group = { 'backup-type': 'host', 'backup-id': 'a' }
  const form = Buffer.from('username=fuzz%40pbs&password=wrong')
  const calls = [
    plainCall('GET', `${store}/snapshots`, group),
    plainCall('GET', '/api2/extjs/admin/datastore/store2/groups', { ns: 'a/b' }),
    plainCall('GET', '/api2/json/nodes/localhost/tasks', { limit: 5, start: 0, since: 1 }),
    plainCall('GET', `${store}/status`, { verbose: 1 }),
    plainCall('DELETE', `${store}/snapshots`, { ...group, 'backup-time': 1 }),
    plainCall('GET', `${store}/download`, { ...group, 'backup-time': 1, 'file-name': 'a.blob' }),
    plainCall('GET', '/openapi.json'),
    jsonCall('PUT', `${store}/group-notes`, { ...group, notes: 'text' }),
    jsonCall('POST', `${store}/namespace`, { name: 'one', parent: '' }),
    jsonCall('POST', `${store}/change-owner`, { ...group, 'new-owner': 'fuzz@pbs' }),
    plainCall('POST', '/api2/json/access/ticket', {}, form),
  ]
  const headers = [
    ['connection', 'close'],
    ['authorization', server.greeting.restAuthorization],
  ] as const
  const requests = calls.map((call) => ({ call, headers }))
  return requestTarget(server, 'REST requests', () => requests)
}

/** Sends the damaged bytes of a request, or a request of which one thing is wrong. */
function requestTarget(
  server: FuzzedServer,
  name: string,
  requestsNow: () => readonly HttpRequest[],
): FuzzTarget {
  return {
    name,
    samples: requestsNow().map((request) => new Uint8Array(formatRequest(request))),
    mayRefuseSamples: true,
    async decode(bytes, random) {
      const isWhole = random.below(2) === 0
      const sent = isWhole ? bytes : formatRequest(wrongRequest(requestsNow(), random))
      const connection = await RawConnection.open(server)
      await connection.send(sent, random)
      await connection.waitALittle(HEAD_END)
      await connection.finish(random)
      checkAnswers(connection.received)
      if (!/^HTTP\/1\.1 [12]/.test(connection.received)) throw refusal(connection.received)
    },
    end: async () => await server.checkQuiet(),
  }
}

function wrongRequest(requests: readonly HttpRequest[], random: SeededRandom): HttpRequest {
  const request = pick(requests, random)
  const body = request.call.body ?? new Uint8Array(0)
  const call: Call = mutateCall(request.call, body, random)
  return { ...request, call }
}
