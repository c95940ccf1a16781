/**
 * The protocols that stock tried for a bucket (datastore-semantics.md 19.5, 19.7), in place of our gate and marks: how we
 * know that the simulator sees what they lose.
 */
import type { Mutation } from '../mutation.ts'

const BACKEND = 'src/storage/bucket-chunks/s3-backend.ts'
const DELETES = 'src/datastore/collection/bucket/deletes.ts'
const MARKERS = 'globalThis.cairnSimulator.markers'
const PUT_OF_OURS = `    const isSuspect = await this.provisional.isSuspect(digest)
    if (isSuspect) await this.provisional.note(digest, blob, waiting)
    const { cache } = this.#options
    // Written beside the upload, but it gets its name only when the object is there (races.md R-36).
    await using copy = isCached && !isSuspect ? cache?.stage(digest, blob) : null
    const written = await this.#upload(digest, blob)
    if (!isSuspect) this.#remember(digest, written)
    // Of what was there already nobody checked that it is the same: only our own bytes may become a copy.
    if (written !== null) await copy?.publish()
`

/** An upload with a marker; \`onFailure\` and \`check\` are what the versions differ in. */
function putWithMarker(onFailure: string, check: string): string {
  return `    const markers = ${MARKERS}
    {
      using _mutex = await markers.mutex.acquire()
      const again = this.#known(digest)
      if (again !== null) {
        markers.touched.add(digest)
        return { duplicate: true, storedSize: blob.length }
      }
      markers.uploads.add(digest)
    }
    let written
    try {
      written = await this.#upload(digest, blob)
    } catch (error) {
      ${onFailure}
      throw error
    }
    {
      using _mutex = await markers.mutex.acquire()
      ${check}
      this.#remember(digest, written)
      markers.touched.add(digest)
      markers.uploads.delete(digest)
    }
`
}

const FORGETS = 'markers.uploads.delete(digest)'
const CHECKS =
  'if (this.#known(digest) === null && !markers.uploads.has(digest)) {\n' +
  "        throw Object.assign(new Error('concurrent upload failed'), { code: 'TWIN_FAILED' })\n      }"

/** No gate and no marks of sessions: only what the files say. */
const WITHOUT_OURS = [
  {
    file: 'src/datastore/chunk-store.ts',
    find: '    using _gate = await this.#gate.acquire(digest, options.signal)\n    const result =',
    replace: '    const result =',
  },
  {
    file: BACKEND,
    find: '    if (known !== null) return { duplicate: true, storedSize: known.size ?? blob.length }\n',
    replace: `    if (known !== null) {
      ${MARKERS}.touched.add(digest)
      return { duplicate: true, storedSize: known.size ?? blob.length }
    }
`,
  },
  {
    file: 'src/datastore/collection/bucket/bucket-sweep.ts',
    find: 'this.#options.sessions.has(digest) || this.#marks.has(digest, 0),\n      onKept',
    replace: 'this.#marks.has(digest, 0),\n      onKept',
  },
  {
    file: DELETES,
    find: '    using gates = new DisposableStack()\n    const held',
    replace: `    using gates = new DisposableStack()\n    gates.use(await ${MARKERS}.mutex.acquire())\n    const held`,
  },
  {
    file: DELETES,
    find: 'const gate = this.#run.store.core.gate.tryAcquire(digest)',
    replace: 'const gate = { [Symbol.dispose]() {} }',
  },
  {
    file: DELETES,
    find: '    return this.#options.isMarked(bytes)\n',
    replace: `    const isKnown = bucket.ledger.knowsAt(bytes, 0) !== null
    return this.#options.isMarked(bytes) || ${MARKERS}.keeps(object.digest, isKnown)
`,
  },
]

function markerProtocol(put: string): Mutation['patches'] {
  return [...WITHOUT_OURS, { file: BACKEND, find: PUT_OF_OURS, replace: put }]
}

export const PROTOCOLS: readonly Mutation[] = [
  {
    id: 'markers-1',
    what: 'R-26: markers of uploads, removed by whoever fails',
    world: 'bucket',
    patches: markerProtocol(putWithMarker(FORGETS, '')),
  },
  {
    id: 'markers-2',
    what: 'R-26b: v2, an upload fails if neither its marker nor the chunk is there',
    world: 'bucket',
    patches: markerProtocol(putWithMarker(FORGETS, CHECKS)),
  },
  {
    id: 'markers-3',
    what: 'v3, a marker outlives the upload that failed',
    world: 'bucket',
    patches: markerProtocol(putWithMarker('', CHECKS)),
  },
  {
    id: 'expected-marks',
    what: 'R-30: what an index names counts as there (4.0)',
    world: 'bucket',
    patches: [
      {
        file: 'src/datastore/collection/collect.ts',
        find: '    if (run.bucketRun !== null) await flagSnapshots(run, roots, missing)\n',
        replace: `    if (run.bucketRun !== null) await flagSnapshots(run, roots, missing)
    const paths = roots.files.map(({ path }) => path)
    await ${MARKERS}.expectAll(store, paths)
`,
      },
    ],
  },
]
