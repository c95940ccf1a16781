/** Buckets over the network, for the server and the commands. */
import type { Agent } from 'node:https'
import type { S3Endpoint } from '../../config/s3-endpoint-file.ts'
import { listBuckets } from '../../storage/s3/list-buckets.ts'
import { openObjectStore } from '../../storage/s3/open-object-store.ts'
import { createPinnedAgent } from '../../transport/pinned-agent.ts'
import type { BucketOpener, BucketOptions, OpenBucket } from './bucket-opener.ts'

export const realBuckets: BucketOpener = {
  open(endpoint: S3Endpoint, bucket: string, options: BucketOptions): OpenBucket {
    const agent = createPinnedAgent({ fingerprint: endpoint.fingerprint })
    const objects = openObjectStore({ ...endpoint, ...options, bucket, agent })
    return { objects, close: () => agent.destroy() }
  },
  async listBuckets(endpoint: S3Endpoint, { clock, log }: Pick<BucketOptions, 'clock' | 'log'>) {
    using held = hold(createPinnedAgent({ fingerprint: endpoint.fingerprint }))
    return await listBuckets({ ...endpoint, agent: held.agent, clock, log })
  },
}

function hold(agent: Agent): { readonly agent: Agent } & Disposable {
  return { agent, [Symbol.dispose]: () => agent.destroy() }
}
