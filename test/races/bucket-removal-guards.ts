/** Guards of removals of snapshots from a bucket, and of what is written there late (races.md ). */
import type { Guard } from './guard.ts'

const SIDES = 'test/races/bucket-sides.test.ts'
const COPIES = 'test/races/bucket-copies.test.ts'

export const BUCKET_REMOVAL_GUARDS: readonly Guard[] = [
  {
    races: ['R-57'],
    what: 'a removal is noted in the snapshot, durably, before its first DELETE',
    where: 'removeFromBucket()',
    cuts: [
      {
        file: 'src/datastore/remove-from-bucket.ts',
        find: '  await bucket?.tree.removeTree(path, { onBegin })\n',
        replace: '  await bucket?.tree.removeTree(path)\n',
      },
    ],
    test: [SIDES, 'R-57: a removal that a kill ended between the two'],
  },
  {
    races: ['R-60'],
    what: 'a backup whose removal began is not finished by a manifest that comes late',
    where: 'removeIfOurs()',
    cuts: [
      {
        file: 'src/datastore/recovery.ts',
        find: ' || names.includes(REMOVING_FILE)\n',
        replace: '\n',
      },
    ],
    test: [COPIES, 'does not finish a backup whose removal began'],
  },
  {
    races: ['R-60', 'R-70'],
    what: 'a manifest without any of its files is not taken for a snapshot',
    where: 'Fetcher.dropLone()',
    cuts: [
      {
        file: 'src/datastore/bucket/fetch-content.ts',
        find: '  await fetcher.dropLone()\n',
        replace: '',
      },
    ],
    test: [
      'src/datastore/bucket/refresh.test.ts',
      'R-60, R-70: a manifest that came late, without its files',
    ],
  },
  {
    races: ['R-57'],
    what: 'what is half gone from the bucket is not changed here',
    where: 'checkNotLeaving()',
    cuts: [
      {
        file: 'src/datastore/snapshots.ts',
        find: '  if (value) await checkNotLeaving(store, ns, ref)\n',
        replace: '',
      },
    ],
    test: [SIDES, 'R-57: a removal that was not answered is ended by a collection'],
  },
  {
    races: ['R-57', 'R-59'],
    what: 'a removal is ended only where the bucket is as we left it',
    where: 'finishBegun()',
    cuts: [
      {
        file: 'src/datastore/finish-begun.ts',
        find: "  if (!(await isBucketOurs(store, 'snapshots whose removal began'))) return\n",
        replace: '',
      },
    ],
    test: [COPIES, 'ended a removal and made the snapshot anew'],
  },
]
