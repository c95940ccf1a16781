/**
 * Compares an answer with the recorded one as the fixtures' README says: status, content type,
 * shape and texts; times, UPIDs, ids, digests, disk sizes and the order of lists vary.
 */
import { createHash } from 'node:crypto'
import type { Answer, Json, RestRecord } from './rest-records.ts'
import { RECORDED_FOLDER } from './rest-state.ts'

/** Members whose value is the machine's or the moment's: only the type is compared. */
const VARYING = new Set([
  'avail',
  'buildtime',
  'cpu',
  'cpuinfo',
  'current-kernel',
  'digest',
  'endtime',
  'fingerprint',
  'free',
  'kversion',
  'loadavg',
  'mode',
  'node',
  'pbs-instance-id',
  'pid',
  'pstart',
  'CSRFPreventionToken',
  'starttime',
  'ticket',
  'ticket-info',
  'total',
  'upid',
  'uptime',
  'used',
  'value',
  'secret',
  'wait',
])

/** Lists of objects are compared by these members, in whatever order they come. */
const KEYS = [
  'subdir',
  'store',
  'ns',
  'backup-type',
  'backup-id',
  'backup-time',
  'filename',
  'upid',
  'roleid',
  'realm',
  'userid',
  'tokenid',
  'path',
  'ugid',
  'n',
  'name',
]

/** What differs, or null. `folder` stands for the recorded folder in our texts. */
export function difference(record: RestRecord, answer: Answer, folder: string): string | null {
  const { response, request } = record
  if (answer.status !== response.status) {
    return `status ${answer.status}, not ${response.status}: ${answer.body.toString().slice(0, 200)}`
  }
  for (const name of ['content-type', 'content-encoding', 'set-cookie', 'content-disposition']) {
    const problem = headerDifference(name, record, answer)
    if (problem !== null) return problem
  }
  if (request.method === 'HEAD') return null
  return bodyDifference(record, answer, folder)
}

function headerDifference(name: string, record: RestRecord, answer: Answer): string | null {
  const wanted = record.response.headers.find(([other]) => other === name)?.[1]
  const got = answer.headers[name]
  const text = typeof got === 'string' || got === undefined ? got : got.join(', ')
  // A cookie with a ticket has the moment and the signature in it.
  const comparable = (value: string | undefined) => value?.replace(/=PBS:[^;]*/, '=PBS:…')
  return comparable(text) === comparable(wanted) ? null : `${name} is ${text}, not ${wanted}`
}

function bodyDifference(record: RestRecord, answer: Answer, folder: string): string | null {
  const wanted = record.response.body
  const got = answer.body.toString().replaceAll(folder, RECORDED_FOLDER)
  if (wanted === null) return got === '' ? null : `body '${got}', not empty`
  if (wanted.text !== undefined) {
    return got === wanted.text
      ? null
      : `text '${got.slice(0, 300)}', not '${wanted.text.slice(0, 300)}'`
  }
  if (wanted.json !== undefined) {
    try {
      return jsonDifference('', wanted.json, JSON.parse(got) as Json, record.left_out !== undefined)
    } catch (error) {
      return `no JSON (${String(error)}): ${got.slice(0, 200)}`
    }
  }
  const isDeflated = answer.headers['content-encoding'] === 'deflate'
  if (isDeflated) return null
  const digest = createHash('sha256').update(answer.body).digest('hex')
  return digest === wanted.sha256 ? null : `${answer.body.length} other bytes, not ${wanted.length}`
}

function jsonDifference(at: string, wanted: Json, got: Json, leftOut: boolean): string | null {
  const member = at.slice(at.lastIndexOf('.') + 1)
  if (typeOf(wanted) !== typeOf(got)) return `${at}: ${show(got)}, not ${show(wanted)}`
  if (VARYING.has(member) || isUpid(wanted))
    return isUpid(wanted) && !isUpid(got) ? `${at}: no UPID` : null
  if (Array.isArray(wanted) && Array.isArray(got)) {
    return listDifference(at, wanted as readonly Json[], got as readonly Json[], leftOut)
  }
  if (typeof wanted === 'object' && wanted !== null) {
    const expected = wanted as Readonly<Record<string, Json>>
    const actual = got as Readonly<Record<string, Json>>
    const names = new Set([...Object.keys(expected), ...Object.keys(actual)])
    for (const name of names) {
      const [left, right] = [expected[name], actual[name]]
      if (left === undefined || right === undefined) {
        return `${at}.${name}: ${show(right)}, not ${show(left)}`
      }
      const problem = jsonDifference(`${at}.${name}`, left, right, leftOut)
      if (problem !== null) return problem
    }
    return null
  }
  return wanted === got ? null : `${at}: ${show(got)}, not ${show(wanted)}`
}

function listDifference(
  at: string,
  wanted: readonly Json[],
  got: readonly Json[],
  leftOut: boolean,
): string | null {
  const left = [...wanted].sort(compareItems)
  const right = [...got].sort(compareItems)
  if (left.length !== right.length && !leftOut) {
    return `${at}: ${right.length} items, not ${left.length}: ${show(right.map(keyOf))} and ${show(left.map(keyOf))}`
  }
  for (const [index, item] of left.entries()) {
    const other = leftOut
      ? right.find((candidate) => keyOf(candidate) === keyOf(item))
      : right[index]
    if (other === undefined) return `${at}: ${keyOf(item)} is missing`
    const problem = jsonDifference(`${at}[]`, item, other, leftOut)
    if (problem !== null) return problem
  }
  return null
}

function compareItems(a: Json, b: Json): number {
  const [left, right] = [keyOf(a), keyOf(b)]
  return left < right ? -1 : Number(left > right)
}

function keyOf(item: Json): string {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return JSON.stringify(item)
  const members = item as Readonly<Record<string, Json>>
  return KEYS.map((name) => JSON.stringify(members[name] ?? null)).join(' ')
}

function typeOf(value: Json): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'list' : typeof value
}

function isUpid(value: Json): boolean {
  return typeof value === 'string' && value.startsWith('UPID:')
}

function show(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 300) ?? 'nothing'
}
