/** Opens a bucket of an S3 store (datastore-semantics.md 19.1, 19.2). */
import type { Agent } from 'node:https'
import type { Log } from '../../base/log.ts'
import type { Secret } from '../../base/secret.ts'
import type { Clock } from '../../base/time/clock.ts'
import { Attempts } from './attempts.ts'
import { resolveEndpoint } from './endpoint.ts'
import { noCounters, type RequestCounters } from './request-counters.ts'
import type { Limiter, ProviderQuirk } from './s3-parts.ts'
import { S3ObjectStore } from './s3-object-store.ts'
import { createSdkClient } from './sdk-client.ts'

export type { Limiter, ProviderQuirk } from './s3-parts.ts'

/** Stock's limits (datastore-semantics.md 19.2). A PUT has longer: a second for each KiB. */
const TIMEOUTS: RequestTimeouts = { connectMs: 10_000, requestMs: 30 * 60_000 }
/** Requests at a time; an agent with fewer connections has its own number. */
const REQUESTS_MAX = 64

export interface ObjectStoreOptions {
  /** Host, may contain `{{bucket}}` and `{{region}}`. */
  readonly endpoint: string
  /** Null: 443. */
  readonly port: number | null
  readonly region: string
  readonly bucket: string
  /** The bucket as the first segment of the path instead of a part of the host. */
  readonly pathStyle: boolean
  readonly accessKey: string
  readonly secretKey: Secret
  /** Makes and keeps the connections; it decides whom to trust. */
  readonly agent: Agent
  readonly quirks: readonly ProviderQuirk[]
  /** Bytes of bodies both ways, and requests of kind PUT. */
  readonly limits?: {
    readonly upload?: Limiter | undefined
    readonly download?: Limiter | undefined
    readonly puts?: Limiter | undefined
  }
  readonly counters?: RequestCounters | undefined
  /** Form of the ETag that `If-Match` takes here, by an earlier verdict; found out where it is not given. */
  readonly ifMatch?: 'quoted' | 'unquoted' | null | undefined
  /** Whether the store compares `Content-MD5` with bodies that are not signed, by an earlier verdict. Default false. */
  readonly trustsMd5?: boolean | undefined
  readonly timeouts?: Partial<RequestTimeouts> | undefined
  readonly clock: Clock
  readonly log: Log
}

export interface RequestTimeouts {
  readonly connectMs: number
  /** All attempts of a call together, but for a PUT. */
  readonly requestMs: number
}

/** The store of `options`; nothing is asked of it yet. */
export function openObjectStore(options: ObjectStoreOptions): S3ObjectStore {
  const { bucket, region, agent, clock, log, counters = noCounters } = options
  const timeouts = { ...TIMEOUTS, ...options.timeouts }
  const endpoint = resolveEndpoint(options)
  let offsetMs: number | null = null
  const clockOffset = (): number | null => offsetMs
  const client = createSdkClient({
    endpoint,
    region,
    accessKey: options.accessKey,
    secretKey: options.secretKey,
    agent,
    connectTimeoutMs: timeouts.connectMs,
    counters,
    onDate: (date) => {
      const storeMs = Date.parse(date)
      if (!Number.isNaN(storeMs)) offsetMs = storeMs - clock.now()
    },
  })
  const { place } = endpoint
  const concurrency = Math.min(agent.maxSockets, REQUESTS_MAX)
  return new S3ObjectStore({
    client,
    bucket,
    place,
    attempts: new Attempts({ place, concurrency, clock, log, clockOffset }),
    requestMs: timeouts.requestMs,
    quirks: options.quirks,
    limits: options.limits ?? {},
    counters,
    ifMatch: options.ifMatch,
    trustsMd5: options.trustsMd5 ?? false,
    clockOffset,
    clock,
    log,
  })
}
