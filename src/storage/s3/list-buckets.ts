/** The buckets that an endpoint's keys can see; the one request that is not about a bucket (rest-api.md 4.13). */
import { ListBucketsCommand } from '@aws-sdk/client-s3'
import { Attempts } from './attempts.ts'
import { resolveEndpoint } from './endpoint.ts'
import type { ObjectStoreOptions } from './open-object-store.ts'
import { noCounters } from './request-counters.ts'
import { createSdkClient } from './sdk-client.ts'

/** Somebody waits for it. */
const TIMEOUT_MS = 60_000
const CONNECT_MS = 10_000

/** In the order of the store. Throws S3_REFUSED, S3_UNAVAILABLE. */
export async function listBuckets(
  options: Omit<ObjectStoreOptions, 'bucket' | 'counters' | 'limits'>,
): Promise<readonly string[]> {
  const { endpoint: host, region, clock, log } = options
  // A bucket that is part of the host name has none to stand in for it here.
  const withoutBucket = host.replace(/^\{\{bucket\}\}\./, '')
  const endpoint = resolveEndpoint({ ...options, endpoint: withoutBucket, bucket: '' })
  const client = createSdkClient({
    ...options,
    endpoint: { ...endpoint, pathStyle: true },
    region,
    connectTimeoutMs: CONNECT_MS,
    counters: noCounters,
    onDate: () => {},
  })
  const place = new URL(endpoint.url).host
  const attempts = new Attempts({ place, concurrency: 1, clock, log, clockOffset: () => null })
  try {
    const call = { operation: 'list buckets of', key: null, timeoutMs: TIMEOUT_MS }
    const { result } = await attempts.run(call, {
      send: async (signal) =>
        await client.send(new ListBucketsCommand({}), { abortSignal: signal }),
    })
    return (result.Buckets ?? []).flatMap(({ Name: name }) => (name === undefined ? [] : [name]))
  } finally {
    client.destroy()
  }
}
