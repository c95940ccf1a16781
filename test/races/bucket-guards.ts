/** Guards of a datastore in a bucket. */
import type { Guard } from './guard.ts'

const OWN = 'test/races/bucket-collection.test.ts'
const ROOTS = 'test/races/bucket-roots.test.ts'
const SIDES = 'test/races/bucket-sides.test.ts'
const COPIES = 'test/races/bucket-copies.test.ts'
const VERIFY = 'test/races/bucket-verify.test.ts'
const COLLECTION = 'src/datastore/collection'
const BUCKET = 'src/datastore/collection/bucket'
const CHUNKS = 'src/storage/bucket-chunks'
const DELETE = 'src/storage/condemned-delete.ts'

export const BUCKET_GUARDS: readonly Guard[] = [
  {
    races: ['R-25', 'D1', 'D5'],
    what: 'an object whose gate is held stays',
    where: 'Deletes.#takeGates()',
    cuts: [
      {
        file: `${BUCKET}/deletes.ts`,
        find: '        if (gate === null) {',
        replace: '        if (gate === undefined) {',
      },
    ],
    test: [OWN, 'R-25, D1: an object whose upload was not answered yet stays'],
    without: ['walks again'],
  },
  {
    races: ['R-25', 'R-34', 'D5'],
    what: 'the gates of a batch are held until its DELETE was answered',
    where: 'Deletes.#deleteNext()',
    cuts: [
      {
        file: `${BUCKET}/deletes.ts`,
        find: '    if (held.length > 0) await this.#delete(held)\n',
        replace: '    gates.dispose()\n    if (held.length > 0) await this.#delete(held)\n',
      },
    ],
    test: [OWN, 'R-25, R-34: an upload beside the DELETE waits for its answer'],
    without: ['walks again'],
  },
  {
    races: ['R-26', 'R-36', 'D5'],
    what: 'an entry is made of the answer, not of the request',
    where: 'S3Backend.put()',
    cuts: [
      {
        file: `${CHUNKS}/s3-backend.ts`,
        find: '    const written = await this.#upload(digest, blob)\n    if (!isSuspect)',
        replace:
          '    this.#remember(digest, blob.length)\n    const written = await this.#upload(digest, blob)\n    if (!isSuspect)',
      },
    ],
    test: [OWN, 'R-26: of two uploads of one chunk the second puts its own bytes'],
    without: ['walks again'],
  },
  {
    races: ['R-28', 'D5'],
    what: 'every upload registers, with a local copy or without',
    where: 'ChunkStore.insert()',
    cuts: [
      {
        file: 'src/datastore/chunk-store.ts',
        find: '    digests.register(digest, { size: chunk.size, origin })\n',
        replace:
          '    if (options.isCached !== false) digests.register(digest, { size: chunk.size, origin })\n',
      },
    ],
    test: [OWN, 'R-28: what a session without cache uploaded stays'],
    without: ['walks again'],
  },
  {
    races: ['R-29', 'R-67', 'D2', 'D5'],
    what: 'the marks are asked once more in the step that takes the gate',
    where: 'Deletes.#takeGates()',
    cuts: [
      {
        file: `${BUCKET}/deletes.ts`,
        find: '      if (this.#isNeeded(object)) this.#options.onKept(object)\n      else objects.push(object)',
        replace: '      objects.push(object)',
      },
    ],
    test: [OWN, 'R-29, R-67: a chunk that a session found by the ledger after it was listed stays'],
    without: ['walks again'],
  },
  {
    races: ['R-30', 'R-32'],
    what: 'an entry without an object is forgotten: unknown is asked for',
    where: 'BucketSweep.#compare()',
    cuts: [
      {
        file: `${BUCKET}/bucket-sweep.ts`,
        find: '      ledger.drop(digest)\n',
        replace: '',
      },
    ],
    test: [ROOTS, 'R-30, R-32: a chunk that is gone is reported'],
  },
  {
    races: ['R-32'],
    what: 'snapshots that need a chunk which is gone are marked as failed',
    where: 'flagSnapshots()',
    cuts: [
      {
        file: `${COLLECTION}/collect.ts`,
        find: '    if (run.bucketRun !== null) await flagSnapshots(run, roots, missing)\n',
        replace:
          '    if (run.bucketRun !== null && missing.size < 0) await flagSnapshots(run, roots, missing)\n',
      },
    ],
    test: [ROOTS, 'R-30, R-32: a chunk that is gone is reported'],
  },
  {
    races: ['R-34', 'R-60'],
    what: 'keys of a call with an attempt that was not answered stay suspect',
    where: 'deleteCondemned()',
    cuts: [
      {
        file: DELETE,
        find: 'confirmed.has(key) && !answer.isLate && !inDoubt.has(key)',
        replace: 'confirmed.has(key) && !inDoubt.has(key)',
      },
    ],
    test: [OWN, 'R-34b, R-60: a DELETE that was repeated may come again'],
  },
  {
    races: ['R-60'],
    what: 'a key that was suspect before stays so, whatever a later DELETE is told',
    where: 'deleteCondemned()',
    cuts: [
      {
        file: DELETE,
        find: 'confirmed.has(key) && !answer.isLate && !inDoubt.has(key)',
        replace: 'confirmed.has(key) && !answer.isLate',
      },
    ],
    test: [OWN, 'R-60: a DELETE without an answer is tried again by the next run'],
  },
  {
    races: ['R-37', 'R-60', 'R-65'],
    what: 'keys are condemned, durably, before their DELETE is sent',
    where: 'deleteCondemned()',
    cuts: [
      {
        file: DELETE,
        find: '  await ledger.condemn(keys, clock.now())\n  let answer: DeleteAnswer\n  try {\n    answer = await objects.delete(keys)\n',
        replace:
          '  let answer: DeleteAnswer\n  try {\n    answer = await objects.delete(keys)\n    await ledger.condemn(keys, clock.now())\n',
      },
    ],
    test: [OWN, 'R-37, R-60: killed with a DELETE in flight'],
    without: ['doubt after a death'],
  },
  {
    races: ['R-60'],
    what: 'what is uploaded under a suspect key is kept, and finish waits for the end of the doubt',
    where: 'S3Backend.put()',
    cuts: [
      {
        file: `${CHUNKS}/s3-backend.ts`,
        find: '    const isSuspect = await this.provisional.isSuspect(digest)\n    if (isSuspect) await this.provisional.note(digest, blob, waiting)\n',
        replace: '    const isSuspect = false\n',
      },
    ],
    test: [OWN, 'R-34b, R-60: a DELETE that was repeated may come again'],
  },
  {
    races: ['R-60'],
    what: 'gates outlive a DELETE that is on its way',
    where: 'deleteCondemned()',
    cuts: [
      {
        file: `${BUCKET}/deletes.ts`,
        find: '      answer = await deleteCondemned({ objects: door, ledger, clock }, keys)\n',
        replace:
          '      const { signal } = this.#run.progress\n      const aborted = new Promise<never>((_resolve, reject) => {\n' +
          "        signal.addEventListener('abort', () => reject(signal.reason))\n      })\n" +
          '      answer = await Promise.race([deleteCondemned({ objects: door, ledger, clock }, keys), aborted])\n',
      },
    ],
    test: [OWN, 'R-60: an abort while a DELETE is on its way'],
  },
  {
    races: ['R-38'],
    what: 'a bad object stays while it is referenced and there is no good one',
    where: 'BucketSweep.#isLoose()',
    cuts: [
      {
        file: `${BUCKET}/bucket-sweep.ts`,
        find: "object.kind === 'bad' && isMarked && !object.isHealed",
        replace: "object.kind === 'bad' && isMarked && object.size < 0",
      },
      {
        file: `${BUCKET}/deletes.ts`,
        find: '    return this.#options.isMarked(bytes)\n',
        replace: "    return object.kind !== 'bad' && this.#options.isMarked(bytes)\n",
      },
    ],
    test: [OWN, 'R-38: a bad object stays while it is needed'],
  },
  {
    races: ['R-39', 'R-59'],
    what: 'nothing is collected while somebody else has the bucket, or our copy of it is old',
    where: 'checkFresh()',
    cuts: [
      {
        file: `${BUCKET}/begin-bucket.ts`,
        find: '  await bucket.objects.checkBucket({ signal })\n  await bucket.holder.check(signal, { isAlone: true })\n  checkFresh(bucket)\n',
        replace: '  await bucket.objects.checkBucket({ signal })\n',
      },
      {
        file: `${BUCKET}/remote-roots.ts`,
        find: '  await raiseHolder(bucketRun, signal)\n',
        replace: '',
      },
      {
        file: `${COLLECTION}/collect.ts`,
        find: '    if (bucketRun !== null) await checkHolder(bucketRun, progress.signal)\n',
        replace: '',
      },
    ],
    test: [ROOTS, 'R-39, R-59: a bucket that somebody else took'],
  },
  {
    races: ['R-39', 'R-59'],
    what: 'the bucket is looked at again before the first DELETE of a run',
    where: 'checkHolder()',
    cuts: [
      {
        file: `${COLLECTION}/collect.ts`,
        find: '    if (bucketRun !== null) await checkHolder(bucketRun, progress.signal)\n',
        replace: '',
      },
    ],
    test: [ROOTS, 'R-39, R-59: nor one that is taken while it is marked'],
  },
  {
    races: ['R-59'],
    what: 'the generation is raised before the bucket’s own indexes are listed',
    where: 'markRemoteRoots()',
    cuts: [
      {
        file: `${BUCKET}/remote-roots.ts`,
        find: '  await raiseHolder(bucketRun, signal)\n',
        replace: '',
      },
      {
        file: `${COLLECTION}/collect.ts`,
        find: '    if (bucketRun !== null) await checkHolder(bucketRun, progress.signal)\n',
        replace:
          '    if (bucketRun !== null) await bucketRun.bucket.holder.raise(progress.signal)\n',
      },
    ],
    test: [COPIES, 'its collection is a root for a backup'],
  },
  {
    races: ['R-59'],
    what: 'a collection is announced to those who do not have the bucket any more',
    where: 'ObjectHolder.watch()',
    cuts: [
      {
        file: 'src/datastore/bucket/object-holder.ts',
        find: '    if (before.holder?.isCollecting === true) {',
        replace: '    if (before.holder?.generation === -1) {',
      },
    ],
    test: [COPIES, 'no backup begins here while it collects'],
  },
  {
    races: ['R-59'],
    what: 'the generation is raised before unfinished snapshots are removed',
    where: 'isBucketOurs()',
    cuts: [
      {
        file: 'src/datastore/bucket/is-ours.ts',
        find: '    await bucket.holder.raise()\n',
        replace: '',
      },
    ],
    test: [COPIES, 'takes a running backup for an unfinished one'],
  },
  {
    races: ['R-59'],
    what: 'the generation is raised before somebody removes an unfinished snapshot',
    where: 'removeSnapshot()',
    cuts: [
      {
        file: 'src/datastore/remove-snapshot.ts',
        find: '      await announceUnfinished(store, ns, ref)\n',
        replace: '',
      },
    ],
    test: [COPIES, 'forgets what is unfinished there'],
  },
  {
    races: ['R-59'],
    what: 'the bucket is looked at again behind the manifest',
    where: 'publishInBucket()',
    cuts: [
      {
        file: 'src/datastore/sessions/publish.ts',
        find: ', and may have removed some of it.\n  await checkOurs(options.watch)\n',
        replace: '\n',
      },
    ],
    test: [COPIES, 'a backup looks again behind its manifest'],
  },
  {
    races: ['R-57', 'R-59'],
    what: 'a manifest is replaced only where there is one',
    where: 'updateUnprotected()',
    cuts: [
      {
        file: 'src/datastore/manifest-store.ts',
        find: 'tree.write(path, blob, { replaces: true })',
        replace: 'tree.write(path, blob)',
      },
    ],
    test: [COPIES, 'forgot a snapshot: notes of it'],
  },
  {
    races: ['R-40'],
    what: 'a refresh that did not end keeps collections away',
    where: 'beginBucket()',
    cuts: [
      {
        file: `${BUCKET}/begin-bucket.ts`,
        find: "  if (store.settings.maintenance?.type === 's3-refresh') {",
        replace: "  if (store.settings.maintenance?.type === 'delete') {",
      },
    ],
    test: [ROOTS, 'R-40: a refresh that did not end keeps collections away'],
  },
  {
    races: ['R-59'],
    what: 'the bucket’s own indexes are roots, too',
    where: 'markRemoteRoots()',
    cuts: [
      {
        file: `${COLLECTION}/collect.ts`,
        find: '  await markRemoteRoots(run, roots, { bytesMax })\n',
        replace: '',
      },
    ],
    test: [ROOTS, 'R-59: an index that only the bucket has'],
  },
  {
    races: ['R-59'],
    what: 'an index of the bucket is the local one only with the same content',
    where: 'ObjectIdentities.isSame()',
    cuts: [
      {
        file: `${BUCKET}/object-identities.ts`,
        find: '    return header === local.header\n',
        replace: '    return true\n',
      },
      {
        file: `${BUCKET}/object-identities.ts`,
        find: 'return known[3] === local.header',
        replace: 'return true',
      },
    ],
    test: [ROOTS, 'R-59: an index that is another one in the bucket'],
  },
  {
    races: ['R-65'],
    what: 'what a LIST shows is added unless it was condemned meanwhile',
    where: 'BucketSweep.#compare()',
    cuts: [
      {
        file: `${BUCKET}/bucket-sweep.ts`,
        find: '    if (unknown.length > 0) await ledger.addListed(unknown)\n',
        replace: '    for (const { digest, size } of unknown) ledger.add(digest, size)\n',
      },
    ],
    test: [ROOTS, 'R-65: what was deleted after its page was listed'],
  },
  {
    races: ['R-70'],
    what: 'a store that takes no condition is asked before a PUT',
    where: 'S3Backend.#upload()',
    cuts: [
      {
        file: `${CHUNKS}/s3-backend.ts`,
        find: '    if (!honoursIfNoneMatch && (await this.#head(digest)) !== null) return null\n',
        replace: '',
      },
    ],
    test: [OWN, 'R-70: a store without conditions'],
  },
  {
    races: ['R-31'],
    what: 'what is judged comes from the bucket, not from a copy',
    where: 'checkChunk()',
    cuts: [
      {
        file: 'src/datastore/verify/bucket-engine.ts',
        find: "{ from: 'origin' }",
        replace: "{ from: 'anywhere' }",
      },
    ],
    test: [VERIFY, 'asks the bucket, also for what there is a copy of'],
  },
  {
    races: ['R-31'],
    what: 'only what the bucket says of a chunk counts, for the snapshot, too',
    where: 'checkChunk()',
    cuts: [
      {
        file: 'src/datastore/verify/bucket-engine.ts',
        find: '    if (isNoAnswer(cause)) throw cause\n',
        replace: '',
      },
    ],
    test: [VERIFY, 'R-31: what the way to the bucket does says nothing of a chunk'],
  },
  {
    races: ['R-57'],
    what: 'a snapshot goes from the bucket before it goes from here',
    where: 'removeFolder()',
    cuts: [
      {
        file: 'src/datastore/remove-snapshot.ts',
        find: '  await removeFromBucket(store, ns, ref)\n',
        replace: '',
      },
      {
        file: 'src/datastore/remove-snapshot.ts',
        find: '  await store.fs.removeTree(hidden)\n',
        replace: '  await store.fs.removeTree(hidden)\n  await removeFromBucket(store, ns, ref)\n',
      },
    ],
    test: [SIDES, 'R-57: a snapshot that the bucket does not let go'],
  },
  {
    races: ['R-57'],
    what: 'a manifest is in the bucket before it gets its name here',
    where: 'publishSnapshot()',
    cuts: [
      {
        file: 'src/datastore/sessions/publish.ts',
        find: '  await publishInBucket(store, options)\n',
        replace: '',
      },
    ],
    test: [SIDES, 'R-57: a backup is finished here only when it is in the bucket'],
  },
  {
    races: ['R-57'],
    what: 'protection ends in the bucket first',
    where: 'unprotect()',
    cuts: [
      {
        file: 'src/datastore/snapshots.ts',
        find: '  await store.bucket?.tree.remove(`${relativeSnapshotPath(ns, ref)}/${PROTECTED_FILE}`)\n',
        replace: '',
      },
    ],
    test: [SIDES, 'R-57: what the bucket keeps protected'],
  },
  {
    races: ['R-60'],
    what: 'no snapshot begins where a delete may still be executed',
    where: 'checkRemoteFolder()',
    cuts: [
      {
        file: 'src/datastore/sessions/begin-backup.ts',
        find: '  await bucket.tree.checkUsable(folder)\n',
        replace: '',
      },
    ],
    test: [SIDES, 'R-60: where a delete may still come'],
  },
  {
    races: ['R-64'],
    what: 'marker files of a datastore that is taken over are moved aside',
    where: 'setChunksAside()',
    cuts: [
      {
        file: 'src/datastore/create.ts',
        find: '  await setChunksAside(fs, options)\n',
        replace: '',
      },
    ],
    test: [SIDES, 'R-64: stock’s marker files are no evidence'],
  },
  {
    races: ['R-66'],
    what: 'a place in a bucket is open once',
    where: 'openBucket()',
    cuts: [
      {
        file: 'src/datastore/bucket/open-bucket.ts',
        find: '  if (places.has(place)) {',
        replace: "  if (places.has('')) {",
      },
    ],
    test: [SIDES, 'R-66: two folders never have one place in a bucket'],
  },
  {
    races: ['R-70'],
    what: 'what is replaced is replaced only as it was read',
    where: 'ObjectTree.#conditionFor()',
    cuts: [
      {
        file: 'src/datastore/bucket/object-tree.ts',
        find: "    return verdict.ifMatch === null ? { kind: 'always' } : { kind: 'unchanged', etag }\n",
        replace: "    return { kind: 'always' }\n",
      },
    ],
    test: [SIDES, 'R-70: a late PUT of an older manifest'],
  },
  {
    races: ['R-39'],
    what: 'a bucket is claimed by a conditional PUT',
    where: 'writeInUse()',
    cuts: [
      {
        file: 'src/datastore/bucket/claim.ts',
        find: "  const condition = { kind: isConditional ? 'absent' : 'always' } as const\n  const answer",
        replace: "  const condition = { kind: 'always' } as const\n  const answer",
      },
    ],
    test: [
      'src/datastore/bucket/claim.test.ts',
      'a second server is refused with the name of the first',
    ],
  },
  {
    races: ['R-27'],
    what: 'a chunk is put only where there is none, and what was there is a duplicate',
    where: 'S3Backend.#upload()',
    cuts: [
      {
        file: `${CHUNKS}/s3-backend.ts`,
        find: "{ kind: honoursIfNoneMatch ? 'absent' : 'always' } as const",
        replace: "{ kind: 'always' } as const",
      },
    ],
    test: [
      'src/storage/bucket-chunks/s3-backend.test.ts',
      'an unknown one costs one PUT, whether it is there or not',
    ],
  },
]
