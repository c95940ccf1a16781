/** Guards of chunks in a bucket: their ledger, what is kept of suspects, their local copies. */
import type { Guard } from './guard.ts'

const CHUNKS = 'src/storage/bucket-chunks'
const BACKEND = `${CHUNKS}/s3-backend.test.ts`
const SETTLE = 'src/datastore/uploads/settle.test.ts'
const LEDGER = `${CHUNKS}/sqlite-ledger.test.ts`

export const CHUNK_GUARDS: readonly Guard[] = [
  {
    races: ['R-60'],
    what: 'bytes of what is uploaded under a suspect key are kept',
    where: 'S3Backend.put()',
    cuts: [
      {
        file: `${CHUNKS}/s3-backend.ts`,
        find: '    if (isSuspect) await this.provisional.note(digest, blob, waiting)\n',
        replace: '',
      },
    ],
    test: [BACKEND, 'answered 412, then deleted late: put again'],
  },
  {
    races: ['R-60'],
    what: 'the answer to a suspect’s upload is no entry of the ledger',
    where: 'S3Backend.put()',
    cuts: [
      {
        file: `${CHUNKS}/s3-backend.ts`,
        find: 'if (!isSuspect) this.#remember(digest, written)',
        replace: 'this.#remember(digest, written)',
      },
    ],
    test: [BACKEND, 'answered 412, then deleted late: put again'],
  },
  {
    races: ['R-60'],
    what: 'under the gate the time of a suspect is looked at again',
    where: 'SuspectChunks.settle()',
    cuts: [
      {
        file: `${CHUNKS}/suspect-chunks.ts`,
        find: '      if (this.#remainingMs(digest) > 0) continue\n',
        replace: '',
      },
    ],
    test: [BACKEND, 'another delete meanwhile begins the time anew'],
  },
  {
    races: ['R-60'],
    what: 'finish looks at what was put while it was a suspect, whoever acquitted it since',
    where: 'SuspectChunks.pending()',
    cuts: [
      {
        file: `${CHUNKS}/suspect-chunks.ts`,
        find: 'new Set([...this.#open].filter(has))',
        replace: 'new Set<Digest>()',
      },
    ],
    test: [BACKEND, 'somebody else acquitted it without a look'],
  },
  {
    races: ['R-60', 'R-32'],
    what: 'a chunk that went is not missing while another session has its bytes',
    where: 'S3Backend.#ask()',
    cuts: [
      {
        file: `${CHUNKS}/s3-backend.ts`,
        find: 'if (size === null) return this.provisional.hasBytes(digest)',
        replace: 'if (size === null) return false',
      },
    ],
    test: [SETTLE, 'a chunk that went, and whose bytes another session sent'],
  },
  {
    races: ['R-60'],
    what: 'bytes stay as long as any session relies on them',
    where: 'ChunkStore.release()',
    cuts: [
      {
        file: 'src/datastore/chunk-store.ts',
        find: '[...this.#sessions].some((session) => session.digests.has(digest)),',
        replace: 'digest.length === 0,',
      },
    ],
    test: [SETTLE, 'a session that gives up leaves the bytes to the other one'],
  },
  {
    races: ['R-60'],
    what: 'a restart begins the time of suspects anew',
    where: 'LedgerWriter.#restartSuspects()',
    cuts: [
      {
        file: `${CHUNKS}/ledger-writer.ts`,
        find: "      this.#run('UPDATE suspects SET lastMs = ?', nowMs)\n",
        replace: '',
      },
    ],
    test: [LEDGER, 'a restart begins the time of suspects anew'],
  },
  {
    races: ['R-60', 'R-65'],
    what: 'after a ledger was lost everything is a suspect for a while',
    where: 'LedgerWriter.#adopt()',
    cuts: [
      {
        file: `${CHUNKS}/ledger-writer.ts`,
        find: "if (rescued === null) return this.#setMeta('blanketMs', nowMs)",
        replace: 'if (rescued === null) return',
      },
    ],
    test: [LEDGER, 'moved aside, everything is a suspect for a while'],
  },
  {
    races: ['R-65'],
    what: 'what the ledger says while somebody holds the gate does not count',
    where: 'isCertain()',
    cuts: [
      {
        file: `${CHUNKS}/look-in-bucket.ts`,
        find: '  if (gate.size > 0 && gate.isHeld(digestFromBytes(digests, offset))) return false\n',
        replace: '',
      },
    ],
    test: [BACKEND, 'what the ledger says while somebody holds the gate'],
  },
  {
    races: ['R-65'],
    what: 'what was noted before another process condemned is not written',
    where: 'LedgerWriter.#apply()',
    cuts: [
      {
        file: `${CHUNKS}/ledger-writer.ts`,
        find: '        if (this.#condemnations().foreign !== seen.foreign) return false\n',
        replace: '',
      },
    ],
    test: [LEDGER, 'what was noted before another process condemned'],
  },
  {
    races: ['R-65'],
    what: 'nor is it believed until then',
    where: 'SqliteLedger.#noteOf()',
    cuts: [
      {
        file: `${CHUNKS}/sqlite-ledger.ts`,
        find: 'return isCurrent ? found.note : null',
        replace: 'return isCurrent || found.seen.all >= 0 ? found.note : null',
      },
    ],
    test: [LEDGER, 'what was noted before another process condemned'],
  },
  {
    races: ['R-65'],
    what: 'what is condemned is taken out of the notes first',
    where: 'SqliteLedger.condemn()',
    cuts: [
      {
        file: `${CHUNKS}/sqlite-ledger.ts`,
        find: '      if (digest !== null) this.#notes.forget(digest)\n',
        replace: '',
      },
    ],
    test: [LEDGER, 'what this process condemns is unknown at once'],
  },
  {
    races: ['R-36'],
    what: 'a copy gets its name when the object is there, and only if it is ours',
    where: 'S3Backend.put()',
    cuts: [
      {
        file: `${CHUNKS}/s3-backend.ts`,
        find: 'if (written !== null) await copy?.publish()',
        replace: 'await copy?.publish()',
      },
    ],
    test: [BACKEND, 'a copy is made of what was stored, and only of that'],
  },
  {
    races: ['R-33'],
    what: 'a copy with a wrong CRC is dropped, and the chunk asked for',
    where: 'ChunkCache.read()',
    cuts: [
      {
        file: `${CHUNKS}/chunk-cache.ts`,
        find: '|| !(await hasRightCrc(blob))',
        replace: '',
      },
    ],
    test: [BACKEND, 'a short or changed copy is dropped'],
  },
]
