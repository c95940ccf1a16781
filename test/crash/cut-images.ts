/** Disks as power cuts in the middle of a round would leave them: taken aside while the server goes on. */
import type { Random } from '../simulator/random.ts'
import type { DiskImage } from '../support/disk-image.ts'
import type { CutDisk } from '../support/power-cut.ts'
import type { CutModel } from './cut-model.ts'
import type { CutNoise } from './cut-noise.ts'

/** Half of them come right after a commit of the file system's journal. */
const COMMIT_CHANCE = 0.5

export interface Known {
  /** What was begun and answered. */
  readonly model: CutModel
  /** Of the backup that was begun last. */
  readonly number: number
}

export interface TakenImage extends Known {
  readonly disk: DiskImage
  /** How many were begun, and the name of the last, which had not happened; null: all had, and were answered. */
  readonly step: number
  readonly before: string | null
  /** Chunk files. */
  readonly written: ReadonlySet<string>
}

export interface CutImagesOptions {
  readonly disk: CutDisk
  readonly random: Random
  readonly noise: CutNoise
  /** What is known at this moment. */
  readonly now: () => Known
}

export class CutImages {
  readonly #options: CutImagesOptions
  readonly #taken: TakenImage[] = []

  constructor(options: CutImagesOptions) {
    this.#options = options
  }

  get taken(): readonly TakenImage[] {
    return this.#taken
  }

  /** To be called right before the step; nothing else happens in this process meanwhile. */
  take(step: number, before: string): void {
    const { random, noise } = this.#options
    if (random.chance(COMMIT_CHANCE)) noise.syncBeside()
    this.takeLast(step, before)
  }

  /** As `take`, of a disk that was removed after its power went. */
  takeLast(step: number, before: string | null): void {
    const { disk, noise, now } = this.#options
    // First what is known: an answer that comes later was not given.
    const known = now()
    const written = new Set(noise.written)
    this.#taken.push({ disk: disk.capture(), step, before, written, ...known })
  }
}
