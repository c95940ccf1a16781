/** What the requests of one bucket share. */
import type { S3Client } from '@aws-sdk/client-s3'
import type { Log } from '../../base/log.ts'
import type { Clock } from '../../base/time/clock.ts'
import type { Attempts } from './attempts.ts'
import type { RequestCounters } from './request-counters.ts'

/** What a provider cannot do, by its administrator's word (`provider-quirks`). */
export type ProviderQuirk = 'skip-if-none-match-header' | 'delete-objects-via-delete-object'

/** Where a rate is held: resolves when `amount` bytes, or requests, may pass. */
export interface Limiter {
  take(amount: number, signal?: AbortSignal): Promise<void>
}

export interface S3Parts {
  readonly client: S3Client
  readonly bucket: string
  readonly place: string
  readonly attempts: Attempts
  readonly requestMs: number
  readonly quirks: readonly ProviderQuirk[]
  readonly limits: {
    readonly upload?: Limiter | undefined
    readonly download?: Limiter | undefined
    readonly puts?: Limiter | undefined
  }
  readonly counters: RequestCounters
  readonly ifMatch: 'quoted' | 'unquoted' | null | undefined
  /** Whether `Content-MD5` alone says what a large body holds. */
  readonly trustsMd5: boolean
  /** The store's clock minus ours as of its last answer; null: none yet. */
  readonly clockOffset: () => number | null
  readonly clock: Clock
  readonly log: Log
}
