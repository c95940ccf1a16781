/** UPID: the identifier of one run of a task (rest-api.md 4.4). */
import { errors } from './errors.ts'

declare const brand: unique symbol

/** A checked UPID as text. */
export type UpidText = string & { readonly [brand]: 'Upid' }

export interface Upid {
  readonly node: string
  readonly pid: number
  /** Start of the process, clock ticks since boot. */
  readonly pstart: number
  /** Counter of the process. */
  readonly taskId: number
  /** Unix seconds. */
  readonly startTime: number
  readonly workerType: string
  /** Unescaped; null where the UPID has none. */
  readonly workerId: string | null
  /** `user@realm` or `user@realm!token`. */
  readonly authId: string
}

/** The pattern of the specification; fields are the groups 1 to 8. */
export const UPID =
  /^UPID:([a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?):([0-9A-Fa-f]{8}):([0-9A-Fa-f]{8,9}):([0-9A-Fa-f]{8,16}):([0-9A-Fa-f]{8}):([^:\s]+):([^:\s]*):([^:\s]+):$/

/** Throws UPID_INVALID, also for a task id beyond 2^53 and for a worker id that is not escaped UTF-8. */
export function parseUpid(text: string): Upid {
  const match = UPID.exec(text)
  if (match === null) throw errors.UPID_INVALID({ text })
  const [, node = '', pid = '', pstart = '', taskId = '', startTime = '', ...rest] = match
  const [workerType = '', workerId = '', authId = ''] = rest
  const upid = {
    node,
    pid: Number.parseInt(pid, 16),
    pstart: Number.parseInt(pstart, 16),
    taskId: Number.parseInt(taskId, 16),
    startTime: Number.parseInt(startTime, 16),
    workerType,
    workerId: workerId === '' ? null : unescapeWorkerId(workerId),
    authId,
  }
  if (!Number.isSafeInteger(upid.taskId)) throw errors.UPID_INVALID({ text })
  if (workerId !== '' && upid.workerId === null) throw errors.UPID_INVALID({ text })
  return upid
}

/** The text of `upid`; throws UPID_INVALID if a field does not fit into one. */
export function formatUpid(upid: Upid): UpidText {
  const numbers = [upid.pid, upid.pstart, upid.taskId, upid.startTime]
  const workerId = upid.workerId === null ? '' : escapeWorkerId(upid.workerId)
  const text = ['UPID', upid.node, ...numbers.map(hex8), upid.workerType, workerId, upid.authId, '']
  return upidText(text.join(':'))
}

/** Checks `text` and gives it its type; throws UPID_INVALID. */
export function upidText(text: string): UpidText {
  parseUpid(text)
  return text as UpidText
}

/** `/` becomes `-`; other bytes than letters, digits, `_`, `.`, and a leading `.`, become `\xNN`. */
export function escapeWorkerId(workerId: string): string {
  let escaped = ''
  for (const [index, byte] of new TextEncoder().encode(workerId).entries()) {
    const character = String.fromCharCode(byte)
    const isKept = /[0-9A-Za-z_.]/.test(character) && !(index === 0 && character === '.')
    if (character === '/') escaped += '-'
    else escaped += isKept ? character : `\\x${byte.toString(16).padStart(2, '0')}`
  }
  return escaped
}

/** The inverse of `escapeWorkerId`, or null if `escaped` is none. */
export function unescapeWorkerId(escaped: string): string | null {
  if (/\\(?!x[0-9A-Fa-f]{2})/.test(escaped)) return null
  const bytes: number[] = []
  for (const [part] of escaped.matchAll(/\\x[0-9A-Fa-f]{2}|-|[^\\-]+/g)) {
    if (part === '-') bytes.push(0x2f)
    else if (part.startsWith('\\x')) bytes.push(Number.parseInt(part.slice(2), 16))
    else bytes.push(...new TextEncoder().encode(part))
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(new Uint8Array(bytes))
  } catch {
    return null
  }
}

function hex8(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, '0')
}
