/** Guards of the collection. */
import type { Guard } from './guard.ts'

const RACES = 'src/datastore/collection/races.test.ts'
const OWN = 'test/races/collection.test.ts'
const COLLECTION = 'src/datastore/collection'

export const COLLECTION_GUARDS: readonly Guard[] = [
  {
    races: ['R-01'],
    what: 'an index that vanished is passed over',
    where: 'markFile()',
    cuts: [
      {
        file: `${COLLECTION}/door-engine.ts`,
        find: "    if (isSystemError(error, 'ENOENT')) return null\n    throw markFailure(path, error)",
        replace: '    throw markFailure(path, error)',
      },
    ],
    test: [RACES, 'R-01: an index that is forgotten between listing and opening is no error'],
  },
  {
    races: ['R-01'],
    what: 'any other error at an index ends the run',
    where: 'markFile()',
    cuts: [
      {
        file: `${COLLECTION}/door-engine.ts`,
        find: "    if (isSystemError(error, 'ENOENT')) return null\n    throw markFailure(path, error)",
        replace: '    return null',
      },
    ],
    test: [RACES, 'R-01: EIO at an index ends the run with nothing removed'],
  },
  {
    races: ['R-02', 'R-61'],
    what: 'the walk is repeated until nothing unknown appears',
    where: 'Roots.markAll()',
    cuts: [
      {
        file: `${COLLECTION}/roots.ts`,
        find: '      await this.#markFiles(unknown)\n    }\n    await this.#warnOfPlaces()',
        replace:
          '      await this.#markFiles(unknown)\n      break\n    }\n    await this.#warnOfPlaces()',
      },
    ],
    test: [RACES, 'R-02: a group that reads empty once is found by the next walk'],
  },
  {
    races: ['R-61'],
    what: 'the walk is repeated until nothing unknown appears',
    where: 'Roots.markAll()',
    cuts: [
      {
        file: `${COLLECTION}/roots.ts`,
        find: '      await this.#markFiles(unknown)\n    }\n    await this.#warnOfPlaces()',
        replace:
          '      await this.#markFiles(unknown)\n      break\n    }\n    await this.#warnOfPlaces()',
      },
    ],
    test: [RACES, 'R-61: an index moved behind the walk is found by the next one'],
  },
  {
    races: ['R-03', 'D5'],
    what: 'what sessions register while a collection runs is marked',
    where: 'SessionMarks, SessionDigests.registerAt()',
    cuts: [
      {
        file: `${COLLECTION}/run.ts`,
        find: 'store.core.sessions.onRegister = (bytes, offset) => this.#marks.add(bytes, offset)',
        replace: 'store.core.sessions.onRegister = () => {}',
      },
    ],
    test: [OWN, 'R-03: the base of a base is pruned before it is read'],
    without: ['walks again'],
  },
  {
    races: ['R-03b', 'D5'],
    what: 'live sessions are seeded, whatever their snapshots look like',
    where: 'SessionMarks.seed()',
    cuts: [
      {
        file: `${COLLECTION}/collect.ts`,
        find: '  await sessions.seed(breathe)\n',
        replace: '',
      },
    ],
    test: [OWN, 'R-03b: the newest snapshot is unfinished, and its base vanishes'],
    without: ['walks again'],
  },
  {
    races: ['D3', 'D5'],
    what: 'live sessions are remembered in the step that begins to listen, and seeded before the walk',
    where: 'SessionMarks.seed()',
    cuts: [
      {
        file: `${COLLECTION}/run.ts`,
        find: '    for (const session of this.#sessions) {\n',
        replace: '    for (const session of this.#store.core.sessions) {\n',
      },
      {
        file: `${COLLECTION}/collect.ts`,
        find: '  await sessions.seed(breathe)\n',
        replace: '',
      },
      {
        file: `${COLLECTION}/collect.ts`,
        find: '  await roots.markAll()\n',
        replace: '  await roots.markAll()\n  await sessions.seed(breathe)\n',
      },
    ],
    test: [OWN, 'D3: a session that ends before it is seeded'],
    without: ['walks again'],
  },
  {
    races: ['R-10'],
    what: 'live sessions are seeded however old they are',
    where: 'SessionMarks.seed()',
    cuts: [
      {
        file: `${COLLECTION}/collect.ts`,
        find: '  await sessions.seed(breathe)\n',
        replace: '',
      },
    ],
    test: [RACES, 'R-10: a long session keeps what it uploaded'],
  },
  {
    races: ['R-04', 'R-61', 'D5'],
    what: 'a move registers every digest before its rename',
    where: 'whileRegistered()',
    cuts: [
      {
        file: 'src/datastore/move/moved-digests.ts',
        find: '    const uuids = await registerFolder(store, folder, digests)\n',
        replace: '    const uuids: string[] = []\n',
      },
    ],
    test: [OWN, 'R-04: a group that moves behind the walk keeps its chunks'],
    without: ['walks again'],
  },
  {
    races: ['R-61'],
    what: 'a collection that begins waits for renames in flight',
    where: 'CollectionState.enterMove()',
    cuts: [
      {
        file: 'src/datastore/move/moved-digests.ts',
        find: '    using _move = collection.enterMove()\n',
        replace: '',
      },
    ],
    test: ['src/datastore/move/move.test.ts', 'every digest is registered before the rename'],
  },
  {
    races: ['R-05'],
    what: 'a folder that vanished is an empty one',
    where: 'entriesOf()',
    cuts: [
      {
        file: `${COLLECTION}/walk-roots.ts`,
        find: "    if (folder !== '' && isSystemError(error, 'ENOENT')) return []\n",
        replace: '',
      },
    ],
    test: [RACES, 'R-05: a folder that goes between its listing and its reading is left out'],
  },
  {
    races: ['R-06'],
    what: 'a folder that cannot be read ends the run',
    where: 'entriesOf()',
    cuts: [
      {
        file: `${COLLECTION}/walk-roots.ts`,
        find: '    throw walkFailure(path, error)\n',
        replace: '    return []\n',
      },
    ],
    test: [RACES, 'R-06: an unreadable folder ends the run, unless it is lost+found'],
  },
  {
    races: ['R-08'],
    what: 'the cutoff is taken before anything is marked',
    where: 'Sweep.#cutoffOf()',
    cuts: [
      {
        file: `${COLLECTION}/sweep.ts`,
        find: '    const { cutoffMs, wallMs } = this.#run.start\n',
        replace:
          '    const wallMs = this.#run.store.clock.now()\n    const cutoffMs = wallMs - this.#run.store.settings.gcGraceMs\n',
      },
    ],
    test: [RACES, 'R-08: the cutoff is that of the start, however long the marking takes'],
  },
  {
    races: ['R-13', 'R-67'],
    what: 'an upload holds the gate of its digest',
    where: 'ChunkStore.insert()',
    cuts: [
      {
        file: 'src/datastore/chunk-store.ts',
        find: '    using _gate = await this.#gate.acquire(digest, options.signal)\n    const result',
        replace: '    const result',
      },
    ],
    test: [RACES, 'R-13, R-67: an upload beside the unlink waits, and writes the chunk again'],
  },
  {
    races: ['D1'],
    what: 'a chunk whose gate is held stays',
    where: 'Sweep.#takeGates()',
    cuts: [
      {
        file: `${COLLECTION}/sweep.ts`,
        find: '        if (gate === null) {',
        replace: '        if (gate === undefined) {',
      },
    ],
    test: [RACES, 'D1: an upload in flight holds its gate: what it found stays'],
  },
  {
    races: ['R-14', 'R-67', 'D2'],
    what: 'the marks are asked once more under the gate, those of the sessions too',
    where: 'Sweep.#isNeeded()',
    cuts: [
      {
        file: `${COLLECTION}/sweep.ts`,
        find: '      if (this.#isNeeded(entry)) this.#keep(entry)\n      else entries.push(entry)',
        replace: '      entries.push(entry)',
      },
    ],
    test: [RACES, 'R-14, D2: a duplicate of a session that began after the start is kept'],
  },
  {
    races: ['R-15'],
    what: 'a clock that was set ends the run',
    where: 'checkClock()',
    cuts: [
      {
        file: `${COLLECTION}/plausibility.ts`,
        find: '  if (wallMs >= 0 && Math.abs(wallMs - elapsedMs) <= CLOCK_DIFFERENCE_MAX_MS) return\n',
        replace: '  if (elapsedMs <= Infinity) return\n',
      },
    ],
    test: [RACES, 'R-15: a clock that was set during the marking removes nothing'],
  },
  {
    races: ['R-17', 'D10'],
    what: 'a collection holds the process lock exclusively',
    where: 'collect()',
    cuts: [
      {
        file: `${COLLECTION}/collect.ts`,
        find: '  using _process = await takeProcessLock(store)\n',
        replace: '',
      },
    ],
    test: [OWN, 'R-17: no session of another process begins while it runs'],
  },
  {
    races: ['D10'],
    what: 'a collection holds the process lock exclusively',
    where: 'collect()',
    cuts: [
      {
        file: `${COLLECTION}/collect.ts`,
        find: '  using _process = await takeProcessLock(store)\n',
        replace: '',
      },
    ],
    test: [OWN, 'D10: refused while another process has a session'],
  },
  {
    races: ['R-19', 'D9'],
    what: 'the end of a run, however it ends, stops listening to sessions',
    where: 'SessionMarks[Symbol.dispose]()',
    cuts: [
      {
        file: `${COLLECTION}/run.ts`,
        find: '    this.#store.core.sessions.onRegister = null\n',
        replace: '',
      },
    ],
    test: [OWN, 'D9, R-19: killed or failing at any call'],
  },
  {
    races: ['R-56'],
    what: 'temporary files have an hour, whatever the grace',
    where: 'Sweep.#cutoffOf()',
    cuts: [
      {
        file: `${COLLECTION}/sweep.ts`,
        find: '    return Math.min(cutoffMs, wallMs - TEMPORARY_AGE_MIN_MS)',
        replace: '    return cutoffMs',
      },
    ],
    test: [OWN, 'R-56: temporary files go when their writer must be dead'],
  },
  {
    races: ['R-56'],
    what: 'what a cut update of a manifest left goes when it is a day old',
    where: 'removeTemporaries()',
    cuts: [
      {
        file: `${COLLECTION}/collect.ts`,
        find: '  await removeTemporaries(run, roots)\n',
        replace: '',
      },
    ],
    test: [RACES, 'R-56: what a cut update of a manifest left goes'],
  },
  {
    races: ['R-58'],
    what: 'the status is written by a complete run only',
    where: 'collect()',
    cuts: [
      {
        file: `${COLLECTION}/collect.ts`,
        find: '  await checkNesting(store)\n',
        replace: '  await writeGcStatus(store, emptyStatus(upid))\n  await checkNesting(store)\n',
      },
    ],
    test: [OWN, 'R-58: a run that fails leaves the status of the one before'],
  },
  {
    races: ['R-60'],
    what: 'gate and process lock outlive the unlink that is on its way',
    where: 'Sweep.#remove()',
    cuts: [
      {
        file: `${COLLECTION}/sweep.ts`,
        find: '    const answer = await engine.unlink({ folder: chunksFolder(store), entries, cutoffsMs })\n',
        replace:
          "    const aborted = new Promise((_resolve, reject) => progress.signal.addEventListener('abort', () => reject(progress.signal.reason)))\n" +
          '    const answer = await Promise.race([engine.unlink({ folder: chunksFolder(store), entries, cutoffsMs }), aborted])\n',
      },
    ],
    test: [OWN, 'R-60: an abort while an unlink is on its way'],
  },
  {
    races: ['R-63'],
    what: 'every device is synced before the first unlink',
    where: 'syncAll()',
    cuts: [
      {
        file: `${COLLECTION}/collect.ts`,
        find: '    await syncAll(store, roots)\n',
        replace: '',
      },
    ],
    test: [RACES, 'R-63: all devices are synced before the first unlink'],
  },
  {
    races: ['R-68'],
    what: 'what was taken from memory is read again before anything goes',
    where: 'Roots.readKept()',
    cuts: [
      {
        file: `${COLLECTION}/roots.ts`,
        find: '    if (kept.length === 0) return\n',
        replace: '    if (kept.length >= 0) return\n',
      },
    ],
    test: [RACES, 'R-68: an index that is another one under the same identity loses nothing'],
  },
  {
    races: ['R-69'],
    what: 'a root that is gone without a note stays by its list',
    where: 'Memory.restore()',
    cuts: [
      {
        file: `${COLLECTION}/memory.ts`,
        find: '    const gone = await this.#findVanished(files)\n',
        replace: '    const gone = []\n',
      },
    ],
    test: [RACES, 'R-69: an index that vanished keeps its chunks until that is confirmed'],
  },
  {
    races: ['R-69'],
    what: 'a root that is gone without a note stops the run if its list is lost',
    where: 'Memory.restore()',
    cuts: [
      {
        file: `${COLLECTION}/memory.ts`,
        find: '    const gone = await this.#findVanished(files)\n',
        replace: '    const gone = []\n',
      },
    ],
    test: [RACES, 'R-69: an index that vanished stops the run when its list is lost'],
  },
  {
    races: ['R-02', 'R-69'],
    what: 'a group that goes between its listing and its reading stops the run',
    where: 'checkRoots()',
    cuts: [
      {
        file: `${COLLECTION}/plausibility.ts`,
        find: '    if (!(isGone ? roots.unread : emptiedPaths).has(path)) continue\n',
        replace: '    if (isGone || !emptiedPaths.has(path)) continue\n',
      },
    ],
    test: [RACES, 'R-69: a group that goes between its listing and its reading stops the run'],
  },
  {
    races: ['R-69'],
    what: 'a note of a removal that is still to come is not forgotten',
    where: 'Memory.#forgetNotes()',
    cuts: [
      {
        file: 'src/datastore/collection/memory.ts',
        find: '      if (note !== null && this.#leaving.has(note)) pending.add(note)\n',
        replace: '',
      },
    ],
    test: [RACES, 'R-69: a note of a removal that is still to come is not forgotten'],
  },
  {
    races: ['D4', 'D5'],
    what: 'a clone registers every digest that it takes over',
    where: 'FixedIndexWriter.#takeOver()',
    cuts: [
      {
        file: 'src/datastore/sessions/fixed-index-writer.ts',
        find: '      this.#host.digests.registerAt(bytes, offset, chunk)\n',
        replace: '',
      },
    ],
    test: [OWN, 'D4: a clone of the base without an upload, whose base is pruned at once'],
    without: ['walks again'],
  },
  {
    races: ['D6'],
    what: 'the grace, beside the marks',
    where: 'beginRun()',
    cuts: [
      {
        file: `${COLLECTION}/collect.ts`,
        find: '  let cutoffMs = wallMs - graceMs\n',
        replace: '  let cutoffMs = Infinity\n',
      },
    ],
    test: [OWN, 'D6: what is younger than the grace stays although no mark keeps it'],
    without: ['marks of sessions'],
  },
  {
    races: ['D7'],
    what: 'the place of the marks in the digest changes from run to run',
    where: 'Marks',
    cuts: [
      {
        file: `${COLLECTION}/marks.ts`,
        find: 'offset: offset ?? randomInt(OFFSET_MIN, OFFSET_MAX + 1)',
        replace: 'offset: offset ?? OFFSET_MIN',
      },
    ],
    test: [OWN, 'D7: marks that share their bits keep garbage for a while and nothing else'],
    without: ['more than 8 bits of a mark'],
  },
  {
    races: ['D11', 'R-23'],
    what: 'an entry of the gate ends with its last holder',
    where: 'KeyedLock.#release()',
    cuts: [
      {
        file: 'src/base/async/keyed-lock.ts',
        find: '    else this.#entries.delete(key)\n',
        replace: '',
      },
    ],
    test: [
      'src/datastore/chunk-store.test.ts',
      'many uploads: the gate holds only what is on its way',
    ],
  },
  {
    races: ['D12'],
    what: 'a digest is registered after its chunk is there, and the gate opens whatever throws',
    where: 'ChunkStore.insert()',
    cuts: [
      {
        file: 'src/datastore/chunk-store.ts',
        find: '    const result = await this.#backend.put(digest, chunk.blob, options)\n',
        replace:
          "    digests.register(digest, { size: chunk.size, origin: 'written' })\n    const result = await this.#backend.put(digest, chunk.blob, options)\n",
      },
    ],
    test: ['src/datastore/chunk-store.test.ts', 'whatever throws, the gate opens'],
  },
  {
    races: ['D2', 'D12'],
    what: 'a digest is registered while its gate is held',
    where: 'ChunkStore.insert()',
    cuts: [
      {
        file: 'src/datastore/chunk-store.ts',
        find: '    using _gate = await this.#gate.acquire(digest, options.signal)\n    const result = await this.#backend.put(digest, chunk.blob, options)\n',
        replace:
          '    const held = await this.#gate.acquire(digest)\n' +
          '    const result = await this.#backend.put(digest, chunk.blob, options)\n' +
          '    held[Symbol.dispose]()\n',
      },
    ],
    test: ['src/datastore/chunk-store.test.ts', 'a digest is registered while its gate is held'],
  },
]
