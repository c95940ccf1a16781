/** Opens a bucket of an S3 store (datastore-semantics.md 19.1, 19.2). */
import type { Agent } from 'node:https'
import type { Log } from '../../base/log.ts'
import type { Secret } from '../../base/secret.ts'
import type { Clock } from '../../base/time/clock.ts'
import type { ObjectStore } from '../object-store.ts'
import type { RequestCounters } from './request-counters.ts'

/** What a provider cannot do, by its administrator's word (`provider-quirks`). */
export type ProviderQuirk = 'skip-if-none-match-header' | 'delete-objects-via-delete-object'

/** Where a rate is held: resolves when `amount` bytes, or requests, may pass. */
export interface Limiter {
  take(amount: number, signal?: AbortSignal): Promise<void>
}

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
export function openObjectStore(options: ObjectStoreOptions): ObjectStore {
  throw new Error(`not yet: ${options.endpoint}`)
}
