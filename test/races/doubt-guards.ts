/** What protects where requests that are not known here may be on their way (races.md R-59 together with R-60). */
import type { Guard } from './guard.ts'

const TEST = 'test/races/bucket-doubt.test.ts'
const HOLDER = 'src/datastore/bucket/object-holder.ts'
const COLLECTION = 'src/datastore/collection'

export const DOUBT_GUARDS: readonly Guard[] = [
  {
    races: ['R-60', 'R-59'],
    what: 'what is older than the bucket, or was somebody else’s, puts everything in doubt',
    where: 'ObjectHolder.#doubtNow()',
    cuts: [
      {
        file: HOLDER,
        find: '    await this.#forget(reason)\n    await this.#doubtSince(seen)\n',
        replace: '    await this.#forget(reason)\n',
      },
    ],
    test: [TEST, 'a machine that was put back'],
  },
  {
    races: ['R-60'],
    what: 'a ledger that is made anew knows of no request',
    where: 'openBucket()',
    cuts: [
      {
        file: 'src/datastore/bucket/open-bucket.ts',
        find: '  if (isIncomplete) await doubtAll(ledger, options.clock)\n',
        replace: '',
      },
    ],
    test: [TEST, 'a ledger that was lost'],
  },
  {
    races: ['R-60', 'R-59'],
    what: 'deletes that the bucket speaks of and nobody of ours makes are a dead one’s, or those of whose image we are',
    where: 'ObjectHolder.check()',
    cuts: [
      {
        file: HOLDER,
        find: '    if (object?.isCollecting === true && isAlone) await this.#endLeftover(signal)\n',
        replace: '',
      },
    ],
    test: [TEST, 'an image of a collection'],
  },
  {
    races: ['R-60', 'R-59'],
    what: 'the doubt begins anew when whoever has the bucket raised its generation',
    where: 'ObjectHolder.watch()',
    cuts: [{ file: HOLDER, find: '    await this.#doubtForeign(before)\n', replace: '' }],
    test: [TEST, 'whoever has the bucket collected since'],
  },
  {
    races: ['R-60', 'R-57'],
    what: 'files of a snapshot that a former request took away are put again before its manifest',
    where: 'publishInBucket()',
    cuts: [
      {
        file: 'src/datastore/sessions/publish.ts',
        find: '  if (options.watch?.isDoubtful === true) await completeInBucket(store, options)\n',
        replace: '',
      },
    ],
    test: [TEST, 'files of a snapshot that went'],
  },
  {
    races: ['R-60'],
    what: 'nothing is collected while everything is in doubt',
    where: 'beginBucket()',
    cuts: [
      {
        file: `${COLLECTION}/bucket/begin-bucket.ts`,
        find: '  checkCertain(bucket, store.clock)\n',
        replace: '',
      },
      {
        file: `${COLLECTION}/collect.ts`,
        find: '    await waitOutDoubt(store, options.progress)\n',
        replace: '',
      },
    ],
    test: [TEST, 'nothing is collected meanwhile'],
  },
  {
    races: ['R-60', 'R-59'],
    what: 'the generation is raised before a bad chunk is deleted',
    where: 'ChunkStore.markBad()',
    cuts: [
      {
        file: 'src/datastore/chunk-store.ts',
        find: '    await using _deletes = (await this.#holder?.beginDeletes()) ?? null\n',
        replace: '',
      },
    ],
    test: [TEST, 'whoever marks a chunk as bad'],
  },
  {
    races: ['R-59'],
    what: 'a generation that is raised beside a collection still speaks of it',
    where: 'ObjectHolder.#raise()',
    cuts: [
      {
        file: HOLDER,
        find: "const isCollecting = deletes === 'as it is' ? object.isCollecting === true : deletes\n",
        replace: 'const isCollecting = deletes === true\n',
      },
    ],
    test: [TEST, 'a removal beside a collection'],
  },
  {
    races: ['R-59'],
    what: 'a long collection looks again whether the bucket is ours',
    where: 'Deletes.#deleteNext()',
    cuts: [
      {
        file: `${COLLECTION}/bucket/deletes.ts`,
        find: '      await this.#options.checkHolder()\n',
        replace: '',
      },
    ],
    test: [TEST, 'a long collection looks again'],
  },
  {
    races: ['R-60', 'R-59'],
    what: 'an end of deletes says in the bucket which were not answered',
    where: 'ObjectHolder.#raise()',
    cuts: [
      {
        file: HOLDER,
        find: 'deletes === false ? await knownLastDelete(this.#options) : object.lastDeleteMs\n',
        replace: 'undefined\n',
      },
    ],
    test: [TEST, 'a ledger that was lost'],
  },
  {
    races: ['R-60', 'R-59'],
    what: 'whoever takes a bucket over passes on what may be on its way',
    where: 'becomeHolder()',
    cuts: [
      {
        file: 'src/datastore/bucket/claim.ts',
        find: 'await lastDeleteOf(before, objects)\n',
        replace: 'undefined\n',
      },
    ],
    test: [TEST, 'whoever takes the bucket over'],
  },
  {
    races: ['R-60'],
    what: 'only in the same run of the machine the ledger of who died deleting is whole',
    where: 'ObjectHolder.#endLeftover()',
    cuts: [{ file: HOLDER, find: 'ledger.holder?.bootId === bootId', replace: 'true' }],
    test: [TEST, 'a death while chunks are deleted'],
  },
]
