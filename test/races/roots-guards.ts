/** Guards of what a collection takes for its roots: links, names, what came and vanished since the last one. */
import type { Guard } from './guard.ts'

const ARRIVALS = 'src/datastore/collection/arrivals.test.ts'
const LINKS = 'src/datastore/collection/links.test.ts'
const COLLECTION = 'src/datastore/collection'

export const ROOTS_GUARDS: readonly Guard[] = [
  {
    races: ['R-06'],
    what: 'a link that leads nowhere, where backups are, ends the run',
    where: 'kindBehind()',
    cuts: [
      {
        file: `${COLLECTION}/walk-roots.ts`,
        find: '    if (await leadsAstray(fs, base, path)) {\n',
        replace: '    if (false) {\n',
      },
    ],
    test: [LINKS, 'R-06: deletes nothing while a link at'],
  },
  {
    races: ['R-06'],
    what: 'a folder or an index whose name is not UTF-8 ends the run',
    where: 'readFolder()',
    cuts: [
      {
        file: `${COLLECTION}/walk-roots.ts`,
        find: '    if (mayHoldIndexes && name.includes(NOT_UTF8)) refuseUnreadable(`${base}/${path}`)\n',
        replace: '',
      },
    ],
    test: [LINKS, 'R-06: a name that is not UTF-8 ends the run'],
  },
  {
    races: ['R-66'],
    what: 'a store whose chunks are those of another one, too, is not collected',
    where: 'checkNotShared()',
    cuts: [
      { file: `${COLLECTION}/collect.ts`, find: '  await checkNotShared(store)\n', replace: '' },
    ],
    test: [LINKS, 'R-66: two datastores with the same chunks are not collected'],
  },
  {
    races: ['R-69'],
    what: 'a snapshot that came since the last run and is gone without a note stops the run',
    where: 'checkBeforeSweep()',
    cuts: [
      {
        file: 'src/datastore/collection/collect.ts',
        find: '  if (bucketRun === null && !isConfirmed) await checkArrivals(',
        replace: '  if (false) await checkArrivals(',
      },
    ],
    test: [ARRIVALS, 'stops when a new snapshot vanished'],
  },
  {
    races: ['R-69'],
    what: 'what is finished is noted for the next run',
    where: 'BackupWriter.#noteArrival()',
    cuts: [
      {
        file: 'src/datastore/sessions/backup-writer.ts',
        find: '        await this.#noteArrival()\n',
        replace: '',
      },
    ],
    test: [ARRIVALS, 'stops when a new snapshot vanished'],
  },
  {
    races: ['R-69'],
    what: 'what is moved is noted where it comes to',
    where: 'moveOne()',
    cuts: [
      {
        file: 'src/datastore/move/move-snapshots.ts',
        find: '      await store.core.collection.noteArrival(target, ref, uuids)\n',
        replace: '',
      },
    ],
    test: [ARRIVALS, 'stops when a snapshot vanished from where it was moved to'],
  },
  {
    races: ['R-69'],
    what: 'what comes back takes the note of its removal back',
    where: 'readLine()',
    cuts: [
      {
        file: 'src/datastore/collection/removal-log.ts',
        find: '    paths.delete(path)\n',
        replace: '',
      },
    ],
    test: [ARRIVALS, 'stops when a snapshot vanished that was moved away and back'],
  },
  {
    races: ['R-69'],
    what: 'a note of a removal that is over and left all as it was is forgotten',
    where: 'Memory.#forgetNotes()',
    cuts: [
      {
        file: 'src/datastore/collection/memory.ts',
        find: '      if (note !== null && this.#leaving.has(note)) pending.add(note)\n',
        replace: '      if (note !== null) pending.add(note)\n',
      },
    ],
    test: [ARRIVALS, 'keeps the chunks of what vanished long after a removal of it failed'],
  },
]
