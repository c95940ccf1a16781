/** Damaged bytes on the wire: HTTP/2 behind the 101, and HTTP/1.1 requests that ask for it or for anything else. */
import type { FuzzTarget } from '../fuzz.ts'
import { lines } from '../samples.ts'
import { frameSamples } from './frame-samples.ts'
import type { FuzzedServer } from './fuzzed-server.ts'
import { refusal } from './judge.ts'
import { RawConnection } from './raw-connection.ts'
import type { Times } from './session-targets.ts'
import { WITNESS_GROUP } from './witness.ts'

const HEAD_END = '\r\n\r\n'
/** Groups that take turns: the one before may not have ended yet. */
const GROUP_COUNT = 16

export interface RawTargetOptions {
  readonly times: Times
  /** Of a snapshot of `WITNESS_GROUP`. */
  readonly witnessTime: number
}

/** Frames on sessions of both kinds. */
export async function frameTarget(
  server: FuzzedServer,
  { times, witnessTime }: RawTargetOptions,
): Promise<FuzzTarget> {
  return {
    name: 'HTTP/2 frames',
    samples: await frameSamples(),
    mayRefuseSamples: true,
    async decode(bytes, random) {
      const time = times.next()
      const head =
        random.below(3) === 0
          ? upgradeHead(server, 'reader', { group: WITNESS_GROUP, time: witnessTime })
          : upgradeHead(server, 'backup', { group: `host/raw${time % GROUP_COUNT}`, time })
      const connection = await RawConnection.open(server)
      // The first frames may come right behind the request.
      const early = random.below(4) === 0 ? random.below(bytes.length) : 0
      await connection.send(Buffer.concat([Buffer.from(head), bytes.subarray(0, early)]), random)
      await connection.waitFor(HEAD_END)
      checkAnswers(connection.received)
      if (!connection.received.startsWith('HTTP/1.1 101')) throw refusal(connection.received)
      await connection.send(bytes.subarray(early), random)
      await connection.finish(random)
    },
    end: async () => await server.checkQuiet(),
  }
}

/** Requests that open sessions. */
export function upgradeTarget(
  server: FuzzedServer,
  { times, witnessTime }: RawTargetOptions,
): FuzzTarget {
  const time = times.next()
  return requestTarget(server, 'upgrade requests', [
    upgradeHead(server, 'backup', { group: 'host/upgrade', time }),
    upgradeHead(server, 'backup', { group: 'vm/upgrade', time: time + 1e6, ns: 'a/b' }),
    upgradeHead(server, 'reader', { group: WITNESS_GROUP, time: witnessTime }),
    upgradeHead(server, 'reader', { group: WITNESS_GROUP, time: witnessTime }).replace(
      /upgrade: .*\r\n/i,
      '',
    ),
  ])
}

/** REST calls on a datastore of their own. */
export function restTarget(server: FuzzedServer): FuzzTarget {
  const json = '{"backup-type":"host","backup-id":"a","notes":"text"}'
  const form = 'name=one&parent='
  const authorization = server.greeting.restAuthorization
  const texts = [
    'GET /api2/json/admin/datastore/store2/snapshots?backup-type=host&backup-id=a',
    'GET /api2/extjs/admin/datastore/store2/groups?ns=a/b',
    'GET /api2/json/nodes/localhost/tasks?limit=5&start=0',
    'GET /api2/json/admin/datastore/store2/status?verbose=1',
    'DELETE /api2/json/admin/datastore/store2/snapshots?backup-type=vm&backup-id=1&backup-time=1',
    'GET /openapi.json',
  ].map((line) => requestText(line, authorization, null))
  return requestTarget(server, 'REST requests', [
    ...texts,
    requestText('PUT /api2/json/admin/datastore/store2/group-notes', authorization, {
      type: 'application/json',
      text: json,
    }),
    requestText('POST /api2/json/admin/datastore/store2/namespace', authorization, {
      type: 'application/x-www-form-urlencoded',
      text: form,
    }),
    requestText('POST /api2/json/access/ticket', null, {
      type: 'application/x-www-form-urlencoded',
      text: 'username=fuzz%40pbs&password=wrong',
    }),
  ])
}

function requestTarget(server: FuzzedServer, name: string, texts: readonly string[]): FuzzTarget {
  return {
    name,
    samples: lines(...texts),
    mayRefuseSamples: true,
    async decode(bytes, random) {
      const connection = await RawConnection.open(server)
      await connection.send(bytes, random)
      await connection.waitALittle(HEAD_END)
      await connection.finish(random)
      checkAnswers(connection.received)
      if (!/^HTTP\/1\.1 [12]/.test(connection.received)) throw refusal(connection.received)
    },
    end: async () => await server.checkQuiet(),
  }
}

/** Every answer among `received` is one that the protocol has; 501 is what is not built yet. */
function checkAnswers(received: string): void {
  const wrong = /HTTP\/1\.1 5(?!01)\d\d[^]{0,300}/.exec(received)
  if (wrong !== null) throw new Error(`answered with ${wrong[0]}`)
}

function upgradeHead(
  server: FuzzedServer,
  kind: 'backup' | 'reader',
  snapshot: { readonly group: string; readonly time: number; readonly ns?: string },
): string {
  const [type = '', id = ''] = snapshot.group.split('/')
  const ns = snapshot.ns === undefined ? '' : `&ns=${encodeURIComponent(snapshot.ns)}`
  const query = `backup-id=${id}&backup-time=${snapshot.time}&backup-type=${type}&store=store1${ns}`
  const protocol = `proxmox-backup${kind === 'reader' ? '-reader' : ''}-protocol-v1`
  return [
    `GET //api2/json/${kind}?${query} HTTP/1.1`,
    `authorization: ${server.greeting.authorization}`,
    'connection: upgrade',
    `upgrade: ${protocol}`,
    'host: localhost',
    HEAD_END.slice(2),
  ].join('\r\n')
}

function requestText(
  line: string,
  authorization: string | null,
  body: { readonly type: string; readonly text: string } | null,
): string {
  const head = [
    `${line} HTTP/1.1`,
    'host: localhost',
    'connection: close',
    ...(authorization === null ? [] : [`authorization: ${authorization}`]),
    ...(body === null ? [] : [`content-type: ${body.type}`, `content-length: ${body.text.length}`]),
  ]
  return `${head.join('\r\n')}${HEAD_END}${body?.text ?? ''}`
}
