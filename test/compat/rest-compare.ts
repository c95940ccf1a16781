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
  'id',
]

/** `exact`: the lists hold the same; `part`: ours is a part; `shape`: only members and types. */
export type ListRule = 'exact' | 'part' | 'shape'

export interface Comparison {
  /** Stands for the recorded folder in our texts. */
  readonly folder: string
  readonly lists: ListRule
}

/** What differs, or null. */
export function difference(
  record: RestRecord,
  answer: Answer,
  comparison: Comparison,
): string | null {
  const { response, request } = record
  if (answer.status !== response.status) {
    return `status ${answer.status}, not ${response.status}: ${answer.body.toString().slice(0, 200)}`
  }
  for (const name of ['content-type', 'content-encoding', 'set-cookie', 'content-disposition']) {
    const problem = headerDifference(name, record, answer)
    if (problem !== null) return problem
  }
  if (request.method === 'HEAD') return null
  return bodyDifference(record, answer, comparison)
}

function headerDifference(name: string, record: RestRecord, answer: Answer): string | null {
  const wanted = record.response.headers.find(([other]) => other === name)?.[1]
  const got = answer.headers[name]
  const text = typeof got === 'string' || got === undefined ? got : got.join(', ')
  // A cookie with a ticket has the moment and the signature in it.
  const comparable = (value: string | undefined) => value?.replace(/=PBS:[^;]*/, '=PBS:…')
  return comparable(text) === comparable(wanted) ? null : `${name} is ${text}, not ${wanted}`
}

function bodyDifference(
  record: RestRecord,
  answer: Answer,
  { folder, lists }: Comparison,
): string | null {
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
      const rule = record.left_out !== undefined && lists === 'exact' ? 'more' : lists
      return jsonDifference('', wanted.json, JSON.parse(got) as Json, rule)
    } catch (error) {
      return `no JSON (${String(error)}): ${got.slice(0, 200)}`
    }
  }
  const isDeflated = answer.headers['content-encoding'] === 'deflate'
  if (isDeflated) return null
  const digest = createHash('sha256').update(answer.body).digest('hex')
  return digest === wanted.sha256 ? null : `${answer.body.length} other bytes, not ${wanted.length}`
}

/** `more`: others' items were taken out of the recording, so ours may be more. */
type Rule = ListRule | 'more'

function jsonDifference(at: string, wanted: Json, got: Json, rule: Rule): string | null {
  const member = at.slice(at.lastIndexOf('.') + 1)
  if (typeOf(wanted) !== typeOf(got)) return `${at}: ${show(got)}, not ${show(wanted)}`
  if (isUpid(wanted)) return isUpid(got) ? null : `${at}: no UPID`
  if (VARYING.has(member)) return null
  if (isList(wanted) && isList(got)) return listDifference(at, wanted, got, rule)
  if (typeof wanted === 'object' && wanted !== null) {
    return objectDifference(at, wanted as JsonObject, got as JsonObject, rule)
  }
  return wanted === got || rule === 'shape' ? null : `${at}: ${show(got)}, not ${show(wanted)}`
}

type JsonObject = Readonly<Record<string, Json>>

function objectDifference(
  at: string,
  wanted: JsonObject,
  got: JsonObject,
  rule: Rule,
): string | null {
  for (const name of new Set([...Object.keys(wanted), ...Object.keys(got)])) {
    const [left, right] = [wanted[name], got[name]]
    if (left === undefined || right === undefined) {
      return `${at}.${name}: ${show(right)}, not ${show(left)}`
    }
    const problem = jsonDifference(`${at}.${name}`, left, right, rule)
    if (problem !== null) return problem
  }
  return null
}

function listDifference(
  at: string,
  wanted: readonly Json[],
  got: readonly Json[],
  rule: Rule,
): string | null {
  if (rule === 'shape') return shapeDifference(at, wanted, got)
  if (rule === 'exact' && wanted.length !== got.length) {
    return `${at}: ${got.length} items, not ${wanted.length}: ${show(got)} and ${show(wanted)}`
  }
  const [asked, others] = rule === 'part' ? [got, wanted] : [wanted, got]
  for (const item of asked) {
    const other = others.find((candidate) => keyOf(candidate) === keyOf(item))
    if (other === undefined) return `${at}: ${show(item)} is on one side only`
    const [left, right] = rule === 'part' ? [other, item] : [item, other]
    const problem = jsonDifference(`${at}[]`, left, right, rule)
    if (problem !== null) return problem
  }
  return null
}

/** Every member of ours is one of theirs with that type; what all of theirs have, all of ours have. */
function shapeDifference(at: string, wanted: readonly Json[], got: readonly Json[]): string | null {
  const types = new Map<string, Set<string>>()
  for (const item of wanted as readonly JsonObject[]) {
    for (const [name, value] of Object.entries(item)) {
      types.set(name, (types.get(name) ?? new Set()).add(typeOf(value)))
    }
  }
  const always = [...types.keys()].filter((name) =>
    wanted.every((item) => name in (item as object)),
  )
  for (const item of wanted.length === 0 ? [] : (got as readonly JsonObject[])) {
    const missing = always.find((name) => !(name in item))
    // A list of running tasks only, or of finished ones only, has other members.
    const isState = missing === 'endtime' || missing === 'status'
    if (missing !== undefined && !isState) return `${at}[].${missing} is missing`
    for (const [name, value] of Object.entries(item)) {
      const known = types.get(name)?.has(typeOf(value)) ?? STATE_MEMBERS.has(name)
      if (!known && name !== 'worker_id') return `${at}[].${name}: ${show(value)} is unknown`
    }
  }
  return null
}

const STATE_MEMBERS = new Set(['endtime', 'status'])

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
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
