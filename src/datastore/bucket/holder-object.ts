/**
 * The two objects that say whose the bucket is: stock's `.in-use`, and our own `.cairn-holder` beside it, which carries
 * holder, generation and nonce (races.md R-59). It also has the time of the `.in-use` it belongs to, by the store's
 * clock: whoever writes that one again, be it with the same host name, is noticed.
 */
import type { ObjectStore, RequestOptions } from '../../storage/object-store.ts'
import { HOLDER_OBJECT, IN_USE_OBJECT } from './keys.ts'

/** One write of the holder object. */
export interface HolderState {
  readonly holderId: string
  readonly generation: number
  /** Of the write that made this generation; tells clones apart. */
  readonly nonce: string
}

export interface HolderObject extends HolderState {
  readonly hostname: string
  /** Modification time of `.in-use`. */
  readonly inUseMs: number
  /** Whether whoever wrote it was about to collect garbage; false once more when that is over. Default false. */
  readonly isCollecting?: boolean
  /** When the last delete was sent that may still be executed, by the store's clock; absent: all were answered. */
  readonly lastDeleteMs?: number | undefined
}

export interface BucketState {
  /** Null: there is none, or it is none of ours. */
  readonly holder: (HolderObject & { readonly etag: string }) | null
  /** Null: there is none. */
  readonly inUseMs: number | null
}

/** As they are now: two requests at once. */
export async function readBucketState(
  objects: ObjectStore,
  prefix: string,
  options: RequestOptions = {},
): Promise<BucketState> {
  const [found, inUse] = await Promise.all([
    objects.get(`${prefix}/${HOLDER_OBJECT}`, options),
    objects.head(`${prefix}/${IN_USE_OBJECT}`, options),
  ])
  const holder = found === null ? null : parseHolder(found.body)
  return {
    holder: holder === null || found === null ? null : { ...holder, etag: found.etag },
    inUseMs: inUse?.modifiedMs ?? null,
  }
}

/** The object's bytes. */
export function formatHolder(holder: HolderObject): Uint8Array {
  const {
    holderId,
    generation,
    nonce,
    hostname,
    inUseMs,
    isCollecting = false,
    lastDeleteMs,
  } = holder
  const value = { holderId, generation, nonce, hostname, inUseMs, isCollecting, lastDeleteMs }
  return Buffer.from(JSON.stringify(value))
}

export function parseHolder(bytes: Uint8Array): HolderObject | null {
  const value = parseObject(bytes)
  const { holderId, generation, nonce, hostname, inUseMs } = value ?? {}
  const isCollecting = value?.['isCollecting'] === true
  const time = value?.['lastDeleteMs']
  const lastDeleteMs = typeof time === 'number' ? time : undefined
  const isHolder =
    typeof holderId === 'string' &&
    typeof generation === 'number' &&
    typeof nonce === 'string' &&
    typeof hostname === 'string' &&
    typeof inUseMs === 'number'
  if (!isHolder) return null
  return { holderId, generation, nonce, hostname, inUseMs, isCollecting, lastDeleteMs }
}

/** Stock's content of `.in-use`. */
export function formatInUse(hostname: string): Uint8Array {
  return Buffer.from(JSON.stringify({ hostname }))
}

/** The host that `.in-use` names; null if it names none. */
export function parseInUse(bytes: Uint8Array): string | null {
  const hostname = parseObject(bytes)?.['hostname']
  return typeof hostname === 'string' ? hostname : null
}

function parseObject(bytes: Uint8Array): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString())
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}
