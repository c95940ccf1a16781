/** What comes in a request before anybody is asked who he is: paths, parameters, first bytes. */
import Type from 'typebox'
import { authCookie } from '../../src/server/auth/cookies.ts'
import {
  AuthidText,
  ChunkDigest,
  closed,
  Namespace,
  snapshotParameters,
  StoreName,
  UpidText,
} from '../../src/protocol/common.ts'
import { parseParameters, parseQueryParameters } from '../../src/protocol/request-parameters.ts'
import { normalisedUrl, parseRequestPath } from '../../src/server/request-path.ts'
import { addConnectionHeader, looksLike } from '../../src/server/sniff.ts'
import type { FuzzTarget } from './fuzz.ts'
import { expect, lenient, lines, readJson } from './samples.ts'

const DIGEST = '0123456789abcdef'.repeat(4)
/** One of each kind that any call has. */
const SCHEMA = closed({
  store: StoreName,
  ...snapshotParameters,
  owner: Type.Optional(AuthidText),
  debug: Type.Optional(Type.Boolean()),
  upid: Type.Optional(UpidText),
  schedule: Type.Optional(Type.String({ format: 'calendar-event' })),
  limit: Type.Optional(Type.Integer({ format: 'u64' })),
  parent: Type.Optional(Namespace),
  delete: Type.Optional(Type.Array(Type.Enum(['comment', 'expire']))),
  'digest-list': Type.Optional(Type.Array(ChunkDigest)),
  'offset-list': Type.Optional(Type.Array(Type.Integer({ minimum: 0 }))),
})
const FORM = 'application/x-www-form-urlencoded'
const JSON_TYPE = 'application/json'

/** Targets of `src/protocol` and of the front of `src/server`. */
export function protocolTargets(): FuzzTarget[] {
  return [parameterTarget('form', FORM), parameterTarget('json', JSON_TYPE), ...frontTargets()]
}

function parameterTarget(kind: 'form' | 'json', contentType: string): FuzzTarget {
  return {
    name: `${kind} parameters`,
    samples: kind === 'form' ? formSamples() : jsonSamples(),
    decode(bytes, random) {
      const isQuery = kind === 'form' && random.below(2) === 0
      const text = Buffer.from(bytes).toString('latin1')
      const found = isQuery
        ? parseQueryParameters(SCHEMA, { query: text })
        : parseParameters(SCHEMA, { contentType, query: '', body: bytes })
      const isKnown = Object.keys(found).every((name) => Object.hasOwn(SCHEMA.properties, name))
      expect(isKnown, 'no parameter but those of the schema')
      expect(!('polluted' in {}), 'clean prototypes')
    },
  }
}

const VALUES = {
  store: 'store1',
  'backup-type': 'host',
  'backup-id': 'web1',
  'backup-time': 1767225600,
}

function formSamples(): Uint8Array[] {
  const required = Object.entries(VALUES).map((pair) => pair.join('='))
  const texts = [
    [...required, 'debug=true', 'owner=admin%40pbs!ref', 'limit=18'],
    [...required, 'ns=a%2Fb', 'delete=comment', 'delete=expire', '_dc=1'],
    [...required, `digest-list=${DIGEST}`, 'offset-list=4194304', 'schedule=mon..fri+22%3A30'],
  ]
  return lines(...texts.map((pairs) => pairs.join('&')))
}

function jsonSamples(): Uint8Array[] {
  const values = [
    { ...VALUES, debug: true, owner: 'admin@pbs!ref', limit: 18, ns: 'a/b' },
    { ...VALUES, 'digest-list': [DIGEST, DIGEST], 'offset-list': [0, 4_194_304] },
    { ...VALUES, delete: ['comment'], schedule: 'mon..fri 22:30', parent: '' },
  ]
  const nested = '{"store":"store1","x":[[{"__proto__":{"polluted":1.5}}]]}'
  return lines(...values.map((value) => JSON.stringify(value)), nested).slice(0, -1)
}

function frontTargets(): FuzzTarget[] {
  return [
    lenient({
      name: 'request path',
      samples: requestPaths(),
      decode(bytes) {
        const url = Buffer.from(bytes).toString('latin1')
        const path = parseRequestPath(url)
        const route = normalisedUrl(url)
        expect(route.startsWith('/') && URL.canParse(route, 'https://h'), 'a URL for the router')
        if (path.kind !== 'api') return
        expect(!/\/\/|\/\./.test(path.path), 'no empty or hidden component')
      },
    }),
    lenient({
      name: 'cookies',
      samples: lines('a=b; PBSAuthCookie=PBS%3Aroot; c="d"', '__Host-PBSAuthCookie=x'),
      decode: (bytes) => void authCookie([Buffer.from(bytes).toString('latin1')]),
    }),
    lenient({
      name: 'first bytes',
      samples: [
        new Uint8Array(Buffer.from('16030100c8010000c40303', 'hex')),
        ...lines('GET //api2/json/backup?store=a HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\n\r\nPRI'),
      ],
      decode(bytes, random) {
        const piece = bytes.subarray(0, random.below(bytes.length + 1))
        const kind = looksLike(piece)
        // What is decided once stays so, and five bytes are enough to decide.
        expect(kind === 'unclear' || kind === looksLike(bytes), 'one answer')
        expect(kind !== 'unclear' || piece.length < 5, 'an answer')
        const repaired = addConnectionHeader(Buffer.from(bytes))
        expect(repaired.length - bytes.length <= 23, 'one header more at most')
      },
    }),
  ]
}

function requestPaths(): Uint8Array[] {
  const records = readJson('rest/transport.json') as { request: { path?: string } }[]
  const recorded = records.flatMap(({ request }) => request.path ?? [])
  return lines(
    ...recorded,
    '//api2/json/backup?backup-id=a&store=b',
    '/api2/extjs/nodes/localhost/tasks/UPID%3Avm%3A000E9A5B%3A00000000%3A/log?start=0',
    '/api2/json/admin/datastore/store1/snapshots?ns=a%2Fb&backup-type=vm',
  )
}
