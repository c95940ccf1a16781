/** The recorded sessions of the stock client (fixtures README, "sessions/") as data, and how answers compare. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { decodeBlob } from '../../src/formats/data-blob.ts'
import { decodeDynamicIndex } from '../../src/formats/dynamic-index.ts'
import { decodeFixedIndex } from '../../src/formats/fixed-index.ts'
import { fixturePath } from '../support/fixture-files.ts'
import { bodyBytes, type RecordedBody } from '../support/recorded-server.ts'

/** In the order in which they were recorded; `slow-backup` was not recorded. */
export const RECORDING_ORDER = [
  'image-first',
  'image-incremental',
  'pxar-first',
  'pxar-incremental',
  'split-first',
  'split-second',
  'data-mode',
  'encrypted-first',
  'encrypted-incremental',
  'master-key',
  'image-from-pipe',
  'restore-image',
  'restore-blob',
  'restore-pxar',
  'restore-split',
  'restore-pattern',
  'restore-encrypted',
  'catalog-dump',
  'catalog-dump-split',
  'upload-log',
  'upload-log-twice',
  'login-and-backup',
  'dry-run',
  'benchmark',
  'aborted',
  'slow-backup',
  'fail-second-writer',
  'fail-older',
  'fail-same-time',
  'fail-no-namespace',
  'fail-no-snapshot',
  'plain-after-encrypted',
  'fail-bad-secret',
] as const

type Headers = readonly (readonly [name: string, value: string])[]

interface RecordedResponse {
  readonly status: number | string
  readonly headers: Headers
  readonly body: RecordedBody | null
}

export interface Http1Exchange {
  readonly request: {
    readonly method: string
    readonly target: string
    readonly headers: Headers
    readonly body: RecordedBody | null
  }
  readonly response: RecordedResponse
}

export interface Http2Exchange {
  readonly request: {
    readonly method: string
    readonly path: string
    readonly query: Headers
    readonly headers: Headers
    readonly body: RecordedBody | null
  }
  /** Null: the connection was cut before. */
  readonly response: RecordedResponse | null
}

export interface RecordedConnection {
  readonly http1: readonly Http1Exchange[]
  readonly http2: { readonly streams: readonly Http2Exchange[] } | null
}

/** The connections of one recorded command. */
export function readConnections(name: string): readonly RecordedConnection[] {
  return JSON.parse(readFileSync(fixturePath('sessions', `${name}.json`), 'utf8'))
}

export interface ActualAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Status, headers and body by the README's rules; `expected` may have been rewritten by the caller. */
export async function compareAnswer(
  title: string,
  { request, response }: Http2Exchange,
  actual: ActualAnswer,
): Promise<void> {
  assert.ok(response !== null)
  const said = `${title}: ${actual.body.subarray(0, 200).toString()}`
  assert.equal(actual.status, Number(response.status), said)
  compareHeaders(title, response.headers, actual.headers)
  const expected = bodyBytes(response.body)
  const name = request.query.find(([key]) => key === 'file-name' || key === 'archive-name')?.[1]
  if (request.method === 'GET' && name !== undefined && Number(response.status) === 200) {
    await compareFile(title, { name, expected, actual: actual.body })
    return
  }
  assert.ok(actual.body.equals(expected), said)
}

function compareHeaders(title: string, expected: Headers, actual: IncomingHttpHeaders): void {
  for (const [name, value] of expected) {
    if (name === 'date') assert.ok(actual['date'] !== undefined, title)
    else assert.equal(actual[name], value, `${title}: ${name}`)
  }
  const names = new Set(expected.map(([name]) => name))
  for (const name of Object.keys(actual)) {
    assert.ok(name.startsWith(':') || names.has(name), `${title}: unexpected header ${name}`)
  }
}

interface FilePair {
  readonly name: string
  readonly expected: Buffer
  readonly actual: Buffer
}

async function compareFile(title: string, { name, expected, actual }: FilePair): Promise<void> {
  if (name === 'index.json.blob') {
    assert.deepEqual(await manifestOf(actual), await manifestOf(expected), title)
    return
  }
  if (name.endsWith('.blob')) {
    assert.ok(actual.equals(expected), title)
    return
  }
  const decode = name.endsWith('.fidx') ? decodeFixedIndex : decodeDynamicIndex
  const [ours, theirs] = [decode(actual), decode(expected)]
  assert.ok(actual.subarray(4096).equals(expected.subarray(4096)), `${title}: entries`)
  assert.deepEqual(ours.headerCsum, theirs.headerCsum, `${title}: csum`)
  assert.equal(ours.size, theirs.size, title)
}

/** Its member order is not compared; everything else is, the statistics of the upload included. */
async function manifestOf(blob: Buffer): Promise<unknown> {
  return JSON.parse(Buffer.from(await decodeBlob(blob, { checkCrc: true })).toString('utf8'))
}
