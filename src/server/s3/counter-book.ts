/** The request counters of all buckets, one file for each datastore: `s3/<endpoint>/<bucket>/<store>.counters`. */
import { isSystemError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { parseCalendarEvent } from '../../base/time/calendar-event.ts'
import { parseBytes } from '../../base/human-units.ts'
import type { ConfigFiles } from '../../config/config-files.ts'
import { parsePropertyString } from '../../config/property-string.ts'
import { noCounters, type RequestCounters } from '../../storage/s3/request-counters.ts'
import { CounterFile } from './counter-file.ts'
import { type Counts, makeCounts } from './counter-table.ts'
import { type BucketName, bucketFolder } from './verdict-book.ts'

const ENDING = '.counters'

export class CounterBook implements AsyncDisposable {
  readonly #files: ConfigFiles
  readonly #log: Log
  /** By path: as many as datastores in buckets. */
  readonly #open = new Map<string, CounterFile>()

  constructor(files: ConfigFiles, log: Log) {
    this.#files = files
    this.#log = log
  }

  /** Where requests for a datastore are counted; without a name nowhere. */
  of(name: BucketName & { readonly prefix: string | null }): RequestCounters {
    return name.prefix === null ? noCounters : this.#file({ ...name, prefix: name.prefix })
  }

  /** The counts of a datastore, this process's latest included. */
  async read(name: BucketName & { readonly prefix: string }): Promise<Counts> {
    return (await this.#file(name).read()).counts
  }

  /** What the stored properties of a datastore say of its counters: `notification-thresholds`, `counter-reset-schedule`. */
  configure(
    name: BucketName & { readonly prefix: string },
    properties: ReadonlyMap<string, string> | undefined,
  ): void {
    const file = this.#file(name)
    file.setThresholds(thresholdsOf(properties?.get('notification-thresholds') ?? null))
    file.setSchedule(parseCalendarEvent(properties?.get('counter-reset-schedule') ?? ''))
  }

  /** Makes the counters of a datastore zero, or without a name those of all datastores in the bucket. */
  async reset(name: BucketName & { readonly prefix: string | null }): Promise<void> {
    const prefixes = name.prefix === null ? await this.#prefixesIn(name) : [name.prefix]
    for (const prefix of prefixes) await this.#file({ ...name, prefix }).reset()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#open.values()) await file[Symbol.asyncDispose]()
    this.#open.clear()
  }

  #file(name: BucketName & { readonly prefix: string }): CounterFile {
    const { fs, clock, paths } = this.#files
    const path = `${bucketFolder(paths.state, name)}/${name.prefix}${ENDING}`
    const known = this.#open.get(path)
    if (known !== undefined) return known
    const file = new CounterFile(fs, { path, clock, log: this.#log })
    this.#open.set(path, file)
    return file
  }

  async #prefixesIn(name: BucketName): Promise<string[]> {
    const { fs, paths } = this.#files
    try {
      const entries = await fs.readDir(bucketFolder(paths.state, name))
      const names = entries.map((entry) => entry.name).filter((file) => file.endsWith(ENDING))
      return names.map((file) => file.slice(0, -ENDING.length))
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return []
      throw error
    }
  }
}

/** What cannot be read is no threshold. */
function thresholdsOf(text: string | null): Counts {
  const values = new Map<string, string>()
  try {
    for (const [key, value] of parsePropertyString(text ?? '')) values.set(key, value)
  } catch {
    // A property that somebody else wrote.
  }
  return makeCounts((name) => parseBytes(values.get(`s3-${name}`) ?? '') ?? 0)
}
