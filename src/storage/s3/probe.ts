/**
 * Tries what a store really does, at creation of a datastore and at each start (races.md ).
 * It works below `<prefix>/.cairn-probe/`, which nothing else looks at, and removes what it made.
 */
import { randomBytes } from 'node:crypto'
import { hasCode } from '../../base/errors.ts'
import type { Clock } from '../../base/time/clock.ts'
import {
  KEYS_PER_REQUEST,
  type ObjectStore,
  type PutAnswer,
  type PutCondition,
  type RequestOptions,
} from '../object-store.ts'
import { deleteKeys } from './delete-keys.ts'
import { ProbeRequests } from './probe-requests.ts'
import { S3ObjectStore } from './s3-object-store.ts'
import { judge, type Observations, type ProbeVerdict } from './verdict.ts'

export type { ProbeVerdict } from './verdict.ts'

export interface ProbeOptions extends RequestOptions {
  readonly clock: Clock
}

const ALWAYS: PutCondition = { kind: 'always' }
const ABSENT: PutCondition = { kind: 'absent' }
/** Keys that are written by several requests at once, and how many of them. */
const RACE_ROUNDS = 3
const RACE_WRITERS = 6
/** Objects that are listed, and the size of the pages: an odd one remains. */
const LIST_COUNT = 5
const PAGE_SIZE = 2
/** What an earlier probe left behind when it was killed; a younger one may be at work. */
const LEFTOVER_AGE_MS = 60 * 60_000

/**
 * What `objects` does with small objects below `prefix`. Some 60 requests.
 * Throws S3_REFUSED and S3_UNAVAILABLE if not even ordinary requests work, or no answer comes; the signal's reason.
 */
export async function probe(
  objects: ObjectStore,
  prefix: string,
  { clock, signal }: ProbeOptions,
): Promise<ProbeVerdict> {
  await objects.checkBucket({ signal })
  const folder = `${prefix}/.cairn-probe/${randomBytes(8).toString('hex')}`
  const attempt = new Probe(objects, folder, { signal })
  try {
    return judge(await attempt.observe(clock, `${prefix}/`), clock.now())
  } finally {
    await cleanUp(objects, prefix, folder)
  }
}

/** One run with its folder. */
class Probe {
  readonly #objects: ObjectStore
  readonly #folder: string
  readonly #options: RequestOptions
  /** Null: a bucket that is no real one; it does what the door says. */
  readonly #requests: ProbeRequests | null
  #isConsistent = true
  /** An attempt was lost and may be executed any time: what is seen then says nothing about the store. */
  #isLate = false

  constructor(objects: ObjectStore, folder: string, options: RequestOptions) {
    this.#objects = objects
    this.#folder = folder
    this.#options = options
    const isReal = objects instanceof S3ObjectStore
    this.#requests = isReal ? new ProbeRequests(objects.parts, options) : null
  }

  async observe(clock: Clock, prefix: string): Promise<Observations> {
    await this.#tryPlain()
    const ifNoneMatch = await this.#tryIfNoneMatch()
    const ifMatch = await this.#tryIfMatch()
    const listsInPages = await this.#tryList()
    const copies = await this.#tryCopy()
    const deletes = await this.#tryDelete()
    const requests = this.#requests
    const damagedKey = this.#key('damaged')
    const checksContent =
      requests === null ||
      (await requests.refusesDamage(damagedKey, 'md5')) ||
      (await requests.refusesDamage(damagedKey, 'sha256'))
    const checksMd5 = (await requests?.checksMd5(damagedKey)) ?? false
    const honoursRange = (await requests?.honoursRange(this.#key('plain'))) ?? true
    const clockOffsetMs = (await this.#objects.now(this.#options)) - clock.now()
    const settings = (await requests?.settings(prefix)) ?? NO_SETTINGS
    const isConsistent = this.#isConsistent
    const seen = {
      ifNoneMatch,
      ifMatch,
      listsInPages,
      copies,
      deletes,
      checksContent,
      checksMd5,
      honoursRange,
    }
    return { ...seen, isConsistent, clockOffsetMs, ...settings }
  }

  /** Written, replaced, read, missing: as everywhere. */
  async #tryPlain(): Promise<void> {
    const key = this.#key('plain')
    this.#expect((await this.#objects.head(key, this.#options)) === null)
    for (const text of ['first', 'second, replaced']) {
      await this.#put(key, text, ALWAYS)
      this.#expect((await this.#read(key)) === text)
    }
  }

  async #tryIfNoneMatch(): Promise<Observations['ifNoneMatch']> {
    const isReal = this.#objects instanceof S3ObjectStore
    if (isReal && this.#objects.parts.quirks.includes('skip-if-none-match-header'))
      return 'not sent'
    try {
      if (!(await this.#keepsWhatIsThere())) return 'ignored'
      for (let round = 0; round < RACE_ROUNDS; round += 1) {
        if (!(await this.#oneOfManyIsWritten(round))) return 'ignored'
      }
      return 'honoured'
    } catch (error) {
      if (hasCode(error, 'S3_REFUSED')) return 'refused'
      throw error
    }
  }

  async #keepsWhatIsThere(): Promise<boolean> {
    const key = this.#key('absent')
    // Whose answer was lost is told as kept, and is there all the same.
    await this.#put(key, 'first', ABSENT)
    const second = await this.#put(key, 'second', ABSENT)
    return second.outcome === 'kept' && (await this.#read(key)) === 'first'
  }

  async #oneOfManyIsWritten(round: number): Promise<boolean> {
    const key = this.#key(`race-${round}`)
    const writers = Array.from({ length: RACE_WRITERS }, (_, index) => `writer ${index}`)
    const answers = await Promise.all(
      writers.map(async (text) => ({ text, ...(await this.#put(key, text, ABSENT)) })),
    )
    const written = answers.filter(({ outcome }) => outcome === 'written')
    // An answer that was lost may have been the one.
    const isClear = answers.every(({ isLate }) => !isLate)
    if (!isClear) return written.length <= 1
    return written.length === 1 && (await this.#read(key)) === written[0]?.text
  }

  async #tryIfMatch(): Promise<Observations['ifMatch']> {
    const requests = this.#requests
    if (requests === null) return (await this.#honoursUnchanged()) ? 'quoted' : null
    for (const form of ['quoted', 'unquoted'] as const) {
      const key = this.#key(`match-${form}`)
      const write = (etag: string): string => (form === 'quoted' ? `"${etag}"` : etag)
      const { etag } = await this.#put(key, 'first', ALWAYS)
      const isTaken = await requests.putIfMatch(key, Buffer.from('second'), write(etag))
      if (isTaken !== true) continue
      // Now it is another one: a store that looks at the condition keeps it.
      const isIgnored = await requests.putIfMatch(key, Buffer.from('third'), write(etag))
      return isIgnored === false ? form : null
    }
    return null
  }

  async #honoursUnchanged(): Promise<boolean> {
    const key = this.#key('match')
    const { etag } = await this.#put(key, 'first', ALWAYS)
    const second = await this.#put(key, 'second', { kind: 'unchanged', etag })
    const third = await this.#put(key, 'third', { kind: 'unchanged', etag })
    return second.outcome === 'written' && third.outcome === 'kept'
  }

  async #tryList(): Promise<boolean> {
    const prefix = this.#key('list/')
    const keys = Array.from({ length: LIST_COUNT }, (_, index) => `${prefix}${index}`)
    for (const key of keys) await this.#put(key, key, ALWAYS)
    const found: string[] = []
    for await (const { objects } of this.#objects.list(prefix, this.#options)) {
      found.push(...objects.map(({ key }) => key))
    }
    if (found.join() !== keys.join()) return false
    if (this.#requests === null) return true
    const pages = await this.#requests.listInPages(prefix, PAGE_SIZE)
    return pages.flat().join() === keys.join() && pages.every((page) => page.length <= PAGE_SIZE)
  }

  async #tryCopy(): Promise<boolean> {
    try {
      const target = this.#key('copied')
      const { isFound } = await this.#objects.copy(this.#key('plain'), target, this.#options)
      return isFound && (await this.#read(target)) === (await this.#read(this.#key('plain')))
    } catch (error) {
      if (hasCode(error, 'S3_REFUSED')) return false
      throw error
    }
  }

  /** As many names as fit into a batch, most of them of nothing: each must be confirmed, and what was there must be gone. */
  async #tryDelete(): Promise<Observations['deletes']> {
    const isReal = this.#objects instanceof S3ObjectStore
    const quirks = isReal ? this.#objects.parts.quirks : []
    const isSingle = quirks.includes('delete-objects-via-delete-object')
    const there = [this.#key('plain-2'), this.#key('plain-3')]
    for (const key of there) await this.#put(key, 'to be deleted', ALWAYS)
    const count = isSingle ? there.length : KEYS_PER_REQUEST
    const names = Array.from({ length: count - there.length }, (_, index) =>
      this.#key(`no-${index}`),
    )
    const answer = await this.#objects.delete([...there, ...names], this.#options)
    const isDone = answer.deleted.length === count
    this.#isLate ||= answer.isLate
    if (isDone) {
      for (const key of there) this.#expect((await this.#objects.head(key, this.#options)) === null)
    }
    return isSingle || !isDone ? 'single' : 'batch'
  }

  async #put(key: string, text: string, condition: PutCondition): Promise<PutAnswer> {
    const options = { condition, ...this.#options }
    const answer = await this.#objects.put(key, Buffer.from(text), options)
    this.#isLate ||= answer.isLate
    return answer
  }

  async #read(key: string): Promise<string | null> {
    const found = await this.#objects.get(key, this.#options)
    return found === null ? null : Buffer.from(found.body).toString()
  }

  #key(name: string): string {
    return `${this.#folder}/${name}`
  }

  #expect(isAsExpected: boolean): void {
    this.#isConsistent &&= isAsExpected || this.#isLate
  }
}

const NO_SETTINGS = { versioning: 'off', objectLock: 'off', expiry: 'none' } as const

/** Removes what the probe in `folder` made, one key at a time where batches do not work, and what old ones left. */
async function cleanUp(objects: ObjectStore, prefix: string, folder: string): Promise<void> {
  const beforeMs = (await objects.now()) - LEFTOVER_AGE_MS
  for await (const page of objects.list(`${prefix}/.cairn-probe/`)) {
    const ours = page.objects.filter(
      ({ key, modifiedMs }) => key.startsWith(`${folder}/`) || modifiedMs < beforeMs,
    )
    const keys = ours.map(({ key }) => key)
    const { deleted } = await objects.delete(keys)
    const left = keys.filter((key) => !deleted.includes(key))
    if (left.length > 0 && objects instanceof S3ObjectStore) {
      await deleteKeys({ ...objects.parts, quirks: ['delete-objects-via-delete-object'] }, left, {})
    }
  }
}
