/** Every race of races.md: what protects from it here, or where it belongs. docs/races.md is made of this. */
import { BUCKET_GUARDS } from './bucket-guards.ts'
import { BUCKET_REMOVAL_GUARDS } from './bucket-removal-guards.ts'
import { CHUNK_GUARDS } from './chunk-guards.ts'
import { DOUBT_GUARDS } from './doubt-guards.ts'
import { COLLECTION_GUARDS } from './collection-guards.ts'
import type { Guard } from './guard.ts'
import { ROOTS_GUARDS } from './roots-guards.ts'
import { SESSION_GUARDS } from './session-guards.ts'
import { STORE_GUARDS } from './store-guards.ts'

export const GUARDS: readonly Guard[] = [
  ...COLLECTION_GUARDS,
  ...ROOTS_GUARDS,
  ...BUCKET_GUARDS,
  ...CHUNK_GUARDS,
  ...DOUBT_GUARDS,
  ...BUCKET_REMOVAL_GUARDS,
  ...SESSION_GUARDS,
  ...STORE_GUARDS,
]

export interface Race {
  /** `R-03b`, `D7`. */
  readonly id: string
  readonly title: string
  /** Tests beside those of the guards: file and beginning of the name. */
  readonly tests?: readonly (readonly [file: string, name: string])[]
  /** Why it has no guard of its own. */
  readonly note?: string
}

const SYNC = 'comes with the sync issue'
const JOBS = 'comes with the jobs issue'
const COLLECTION_RACES = 'src/datastore/collection/races.test.ts'
const OWN = 'test/races/collection.test.ts'
const ROOTS = 'test/races/bucket-roots.test.ts'
const BUCKET = 'test/races/bucket-collection.test.ts'

export const RACES: readonly Race[] = [
  { id: 'R-01', title: 'mark against forget' },
  { id: 'R-02', title: 'transient disappearance' },
  { id: 'R-03', title: 'known chunks, base pruned before it is read' },
  { id: 'R-03b', title: 'newest snapshot unfinished, its base vanishes' },
  { id: 'R-04', title: 'move during mark' },
  { id: 'R-05', title: 'listing meets an entry that vanished' },
  {
    id: 'R-06',
    title: 'the walk does not see an index',
    tests: [
      [COLLECTION_RACES, 'R-06: marks indexes in strange places'],
      [COLLECTION_RACES, 'R-06: a datastore inside or around this one is refused'],
    ],
  },
  {
    id: 'R-07',
    title: 'touch error ignored',
    tests: [[OWN, 'R-07, R-09: no chunk that stays is touched']],
    note: 'nothing is touched: marks are in memory',
  },
  { id: 'R-08', title: 'cutoff taken after the marking' },
  {
    id: 'R-09',
    title: 'timestamps that do not move',
    tests: [[OWN, 'R-07, R-09: no chunk that stays is touched']],
    note: 'times protect only in addition to the marks',
  },
  { id: 'R-10', title: 'writers older than the collection' },
  { id: 'R-11', title: 'a known chunk is missing' },
  { id: 'R-12', title: 'duplicates are not looked at again' },
  { id: 'R-13', title: 'use against sweep inside one process' },
  { id: 'R-14', title: 'duplicate without a trace' },
  { id: 'R-15', title: 'wall clock steps' },
  { id: 'R-16', title: 'two writers, one digest' },
  {
    id: 'R-17',
    title: 'reload while backups run',
    tests: [['test/e2e/reload.test.ts', 'R-17: a backup goes on in the old process']],
  },
  { id: 'R-18', title: 'record lock lost by closing another descriptor' },
  { id: 'R-19', title: 'guard leak' },
  {
    id: 'R-20',
    title: 'order of notifications at a reload',
    note: 'test/e2e/reload.test.ts plays reloads; the pid file comes before the old process says anything',
  },
  {
    id: 'R-21',
    title: 'lock on a folder that is removed',
    tests: [
      ['src/datastore/locks.test.ts', 'R-21, R-22: removing a lock file never makes two holders'],
    ],
  },
  { id: 'R-22', title: 'unlinking lock files' },
  { id: 'R-23', title: 'lock files never removed' },
  {
    id: 'R-24',
    title: 'lock hand-over gaps',
    note: 'verification after a backup takes its own lock and skips what is gone',
    tests: [
      ['src/datastore/verify/verify-snapshot.test.ts', 'a snapshot in use or gone is skipped'],
    ],
  },
  { id: 'R-25', title: 'object uploaded, not yet in the cache' },
  {
    id: 'R-26',
    title: 'two uploads of one digest, one fails',
    tests: [
      [
        'src/datastore/sessions/backup-writer.test.ts',
        'two uploads of one digest: the second stores it when the first fails',
      ],
      [BUCKET, 'R-26b: of three uploads of one chunk two fail'],
    ],
  },
  {
    id: 'R-27',
    title: 'answers of conditional PUT',
    tests: [
      ['test/contract/object-store.test.ts', 'put() with the condition absent keeps what is there'],
      ['test/contract/object-store.test.ts', 'put() with the condition absent, many at once'],
      ['src/storage/bucket-chunks/s3-backend.test.ts', 'a PUT with "'],
      ['src/storage/bucket-chunks/s3-backend.test.ts', 'an unknown one costs one PUT'],
    ],
  },
  { id: 'R-28', title: 'sessions without cache' },
  { id: 'R-29', title: 'skip because it is cached', note: 'presence is never told by a copy' },
  { id: 'R-30', title: 'marker for an object nobody saw' },
  {
    id: 'R-31',
    title: 'a healed chunk is renamed',
    tests: [['test/races/bucket-verify.test.ts', 'R-31: a chunk that was healed since']],
  },
  {
    id: 'R-32',
    title: 'a chunk is renamed that a session relies on',
    tests: [['test/races/bucket-verify.test.ts', 'R-32: a session that relies on a chunk']],
  },
  {
    id: 'R-33',
    title: 'eviction against read',
    tests: [
      ['src/storage/bucket-chunks/chunk-cache.test.ts', 'a reader that has the copy open'],
      ['src/storage/bucket-chunks/chunk-cache.test.ts', 'room for one, two readers in turn'],
    ],
  },
  {
    id: 'R-34',
    title: 'delete batch',
    note: 'what waits for its batch holds no gate and no descriptor',
    tests: [
      [BUCKET, 'R-34: other uploads go on while a DELETE hangs'],
      [BUCKET, 'D11, R-34: nine thousand objects'],
    ],
  },
  {
    id: 'R-35',
    title: 'lock order and waiting',
    note: 'no lock but gates is held over a request',
    tests: [[BUCKET, 'R-34: other uploads go on while a DELETE hangs']],
  },
  { id: 'R-36', title: 'cache before upload', note: `pull: ${SYNC}` },
  { id: 'R-37', title: 'abort between marker and object' },
  { id: 'R-38', title: 'bad objects' },
  {
    id: 'R-39',
    title: 'in-use marker is check-then-set',
    tests: [['src/datastore/bucket/claim.test.ts', 'a second server is refused with the name of']],
  },
  {
    id: 'R-40',
    title: 'refresh half done',
    tests: [['src/datastore/bucket/refresh.test.ts', 'R-40: what ends it']],
  },
  {
    id: 'R-41',
    title: 'namespace deleted against a new backup',
    tests: [['src/datastore/move/move.test.ts', 'R-41: a target that was removed meanwhile']],
  },
  {
    id: 'R-42',
    title: 'lost update of a manifest',
    tests: [
      [
        'src/datastore/verify/verify-datastore.test.ts',
        'R-42: notes that come during a verification stay',
      ],
    ],
  },
  { id: 'R-43', title: 'lock result ignored' },
  { id: 'R-44', title: 're-sync overwrites local state', note: SYNC },
  {
    id: 'R-45',
    title: 'base removed under a backup',
    tests: [['src/datastore/prune/prune.test.ts', 'R-45: what a backup or a reader uses']],
  },
  { id: 'R-46', title: 'two backups in one group' },
  {
    id: 'R-47',
    title: 'removal in progress is visible',
    tests: [['src/datastore/move/move.test.ts', 'R-47: what is hidden for removal is not moved']],
  },
  {
    id: 'R-48',
    title: 'protect against forget',
    tests: [
      ['src/datastore/prune/prune.test.ts', 'R-48: protected between plan and removal stays'],
    ],
  },
  { id: 'R-49', title: 'owner file' },
  { id: 'R-50', title: 'removal of what vanished at the source', note: SYNC },
  { id: 'R-51', title: 'pull against collection and prune', note: SYNC },
  { id: 'R-52', title: 'partial files of an aborted pull', note: SYNC },
  {
    id: 'R-53',
    title: 'active operations',
    note: 'counted per process in stock’s file',
    tests: [
      ['src/datastore/active-operations.test.ts', 'R-53: every process counts'],
      ['src/datastore/active-operations.test.ts', 'R-53: taking out of use is refused'],
    ],
  },
  { id: 'R-54', title: 'jobs', note: JOBS },
  { id: 'R-55', title: 'rename before data' },
  { id: 'R-56', title: 'temporary files that stay' },
  {
    id: 'R-57',
    title: 'local tree and bucket differ',
    tests: [['src/datastore/bucket/two-sides.test.ts', '${one.name}: dies at each step']],
  },
  { id: 'R-58', title: 'status file' },
  {
    id: 'R-59',
    title: 'roots are a local copy',
    tests: [
      ['src/datastore/bucket/claim.test.ts', 'a clone: who raises first goes on, the other one'],
      ['src/datastore/bucket/claim.test.ts', 'a clone that raises in the middle of a run stops it'],
      [ROOTS, 'R-59: what only the local tree has stays a root'],
      [ROOTS, 'R-59: an index of the bucket that cannot be understood'],
      [ROOTS, 'R-59: an old ledger is found out'],
    ],
  },
  { id: 'R-60', title: 'requests that outlive their caller' },
  {
    id: 'R-61',
    title: 'moves and copies beside the marks',
    note: 'copies: comes with the sync issue',
  },
  { id: 'R-62', title: 'good on paper after a power cut', note: 'real cuts: test/crash' },
  { id: 'R-63', title: 'a sync error is reported once' },
  { id: 'R-64', title: 'markers are no evidence' },
  {
    id: 'R-65',
    title: 'an answer older than its gate',
    tests: [
      [ROOTS, 'R-65: a chunk that was uploaded after its page was listed'],
      [BUCKET, 'R-65: the ledger forgets, and suspects, before the DELETE'],
      [
        'src/storage/bucket-chunks/s3-backend.test.ts',
        'what the ledger says while somebody holds the gate',
      ],
      ['test/contract/ledger.test.ts', 'a rebuild does not add what went since it began'],
      ['src/datastore/bucket/refresh.test.ts', 'R-65: a rebuild beside a deletion'],
    ],
  },
  { id: 'R-66', title: 'two objects for one store' },
  { id: 'R-67', title: 'the second look' },
  {
    id: 'R-68',
    title: 'digest lists of the last run',
    tests: [[COLLECTION_RACES, 'R-68: a repeat reads headers only']],
  },
  {
    id: 'R-69',
    title: 'roots that vanish before the run',
    tests: [[COLLECTION_RACES, 'R-69: a note of a removal that is still to come is not forgotten']],
  },
  { id: 'R-70', title: 'what a store does behind one’s back' },
  { id: 'D1', title: 'upload in flight when the sweep comes' },
  { id: 'D2', title: 'upload that ends before the sweep' },
  {
    id: 'D3',
    title: 'register before the seeding',
    tests: [[COLLECTION_RACES, 'D3: a register between the hook and the seeding']],
  },
  { id: 'D4', title: 'clone without uploads' },
  { id: 'D5', title: 'the marks alone suffice' },
  { id: 'D6', title: 'the grace alone suffices for what is young' },
  { id: 'D7', title: 'marks of 8 bits' },
  {
    id: 'D8',
    title: 'many marks',
    note: '17 and 100 million: bench/collection.ts',
    tests: [[OWN, 'D8: growing takes little more memory']],
  },
  {
    id: 'D9',
    title: 'killed at every step',
    note: 'real kills: test/crash',
    tests: [[BUCKET, 'D9: at any step on disk or in the bucket']],
  },
  { id: 'D10', title: 'two processes' },
  {
    id: 'D11',
    title: 'size of the gate',
    tests: [
      [COLLECTION_RACES, 'D11: uploads in a loop of collections'],
      [BUCKET, 'D11, R-34: nine thousand objects'],
    ],
  },
  { id: 'D12', title: 'exceptions inside' },
]

/** docs/races.md. */
export function renderRaces(): string {
  const lines = RACES.map(renderRace)
  return `${HEAD}\n${lines.join('\n')}\n`
}

const HEAD = `# Races, their guards and their tests

One line for each race that is known of backup servers of this kind (R-01 to R-70, D1 to D12): what protects from it, where, and the test that fails
without it. \`npm run test:guards\` takes each guard out in turn (an exact text of src, replaced in a process of its own) and
fails if its test still passes; "without …" names other layers that are off then, so that the guard stands alone. Made from
\`test/races/catalogue.ts\` by \`node tools/races-doc.ts\`; a test compares.

| Race | Guard (function, file) | Test that fails without it |
|---|---|---|`

function renderRace(race: Race): string {
  const guards = GUARDS.filter(({ races }) => races.includes(race.id))
  const what = guards.map(({ what: text, where, cuts }) => {
    return `${text} (\`${where}\`, ${cuts[0]?.file ?? ''})`
  })
  if (race.note !== undefined) what.push(`_${race.note}_`)
  const tests = guards.map(({ test, without = [] }) => {
    const off = without.map((name) => `, without ‘${name}’`).join('')
    return `${test[0]}: ${test[1]}${off}`
  })
  for (const [file, name] of race.tests ?? []) tests.push(`also ${file}: ${name}`)
  const cells = [`${race.id} ${race.title}`, what.join('<br>'), tests.join('<br>')]
  return `| ${cells.join(' | ')} |`
}
