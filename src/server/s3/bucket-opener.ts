/** The real client of a bucket: connections with the endpoint's certificate pinned, its rates, its counters. */
import type { Log } from '../../base/log.ts'
import type { Clock } from '../../base/time/clock.ts'
import type { ProviderQuirk, S3Endpoint } from '../../config/s3-endpoint-file.ts'
import type { ObjectStore } from '../../storage/object-store.ts'
import type { Limiter } from '../../storage/s3/open-object-store.ts'
import type { RequestCounters } from '../../storage/s3/request-counters.ts'
import type { ProbeVerdict } from '../../storage/s3/verdict.ts'
import { TokenBucket } from '../../transport/rate-limit.ts'

/** What is held back; absent: no limit. */
export interface EndpointLimits {
  readonly upload?: Limiter | undefined
  readonly download?: Limiter | undefined
  readonly puts?: Limiter | undefined
}

export interface BucketOptions {
  readonly counters: RequestCounters
  readonly limits: EndpointLimits
  /** The endpoint's, and those that a verdict added. */
  readonly quirks: readonly ProviderQuirk[]
  /** Of an earlier verdict. */
  readonly ifMatch?: ProbeVerdict['ifMatch'] | undefined
  readonly trustsMd5?: boolean | undefined
  readonly clock: Clock
  readonly log: Log
}

export interface OpenBucket {
  readonly objects: ObjectStore
  /** Closes its connections; no request is under way. */
  readonly close: () => void
}

/** How buckets are reached; tests have another one. */
export interface BucketOpener {
  open(endpoint: S3Endpoint, bucket: string, options: BucketOptions): OpenBucket
  /** Names of the buckets that the keys of the endpoint can see. */
  listBuckets(
    endpoint: S3Endpoint,
    options: Pick<BucketOptions, 'clock' | 'log'>,
  ): Promise<readonly string[]>
}

/** The limits that `endpoint` sets, for all its buckets together. A burst that is not set is that of a second. */
export function makeLimits(endpoint: S3Endpoint, clock: Clock): EndpointLimits {
  const limiter = (rate: number | null, burst: number | null): Limiter | undefined =>
    rate === null ? undefined : new TokenBucket({ rate, burst: burst ?? rate }, clock)
  return {
    upload: limiter(endpoint.rateOut, endpoint.burstOut),
    download: limiter(endpoint.rateIn, endpoint.burstIn),
    puts: limiter(endpoint.putRateLimit, null),
  }
}
