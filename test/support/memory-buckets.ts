/** Buckets in memory for servers under test: every endpoint reaches the same ones. */
import { systemClock } from '../../src/base/time/clock.ts'
import type { S3Endpoint } from '../../src/config/s3-endpoint-file.ts'
import type { BucketOpener, BucketOptions, OpenBucket } from '../../src/server/s3/bucket-opener.ts'
import { MemoryObjectStore } from '../../src/storage/memory-object-store.ts'
import { errors } from '../../src/storage/s3/errors.ts'

export class MemoryBuckets implements BucketOpener {
  readonly buckets: ReadonlyMap<string, MemoryObjectStore>
  /** Endpoints as they were when a client was opened, in order. */
  readonly opened: S3Endpoint[] = []
  closedCount = 0

  constructor(names: readonly string[]) {
    const clock = systemClock
    this.buckets = new Map(
      names.map((name) => [name, new MemoryObjectStore({ clock, place: `memory/${name}` })]),
    )
  }

  open(endpoint: S3Endpoint, bucket: string, _options: BucketOptions): OpenBucket {
    const objects = this.buckets.get(bucket)
    if (objects === undefined) throw noBucket(bucket)
    this.opened.push(endpoint)
    return { objects, close: () => void (this.closedCount += 1) }
  }

  async listBuckets(): Promise<readonly string[]> {
    return [...this.buckets.keys()]
  }
}

function noBucket(bucket: string): Error {
  return errors.S3_REFUSED({
    operation: 'head',
    place: `memory/${bucket}`,
    key: null,
    requestId: null,
    reason: 'NoSuchBucket',
    advice: 'make it',
    isLate: false,
  })
}
