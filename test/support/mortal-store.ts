/**
 * A datastore in a bucket that dies at a chosen step of what it does, on disk or in the bucket: the step is not done any
 * more, or a request is executed and its answer is lost; and whatever comes after it fails, too.
 */
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import type { FileSystem } from '../../src/base/fs/file-system.ts'
import { systemError } from '../../src/base/fs/system-error.ts'
import type { ObjectStore } from '../../src/storage/object-store.ts'
import { FaultFileSystem, isMutating } from './fault-file-system.ts'

export class Mortality {
  readonly fs: FileSystem
  readonly steps: string[] = []
  #dieAt = 0

  constructor() {
    const faults = new FaultFileSystem(nodeFileSystem)
    this.fs = faults.fs
    faults.onStep((step) => {
      if (isMutating(step)) this.#step(`${step.name} ${step.path}`)
      else this.#throwIfDead(step.name)
    })
  }

  /** The step, from 1, at which it dies; 0 for never. Counting starts now. */
  plan(at: number): void {
    this.steps.length = 0
    this.#dieAt = at
  }

  get isDead(): boolean {
    return this.#dieAt > 0 && this.steps.length >= this.#dieAt
  }

  /** `objects`, mortal. */
  wrap(objects: ObjectStore): ObjectStore {
    return new Proxy(objects, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key, target)
        if (typeof value !== 'function' || typeof key === 'symbol') return value
        if (key === 'list') return (...values: unknown[]) => this.#list(value.apply(target, values))
        return async (...values: unknown[]): Promise<unknown> => {
          const isWrite = ['put', 'copy', 'delete'].includes(key)
          const what = `${key} ${String(values[0])}`
          if (isWrite) this.#step(`${what} (sent)`)
          else this.#throwIfDead(key)
          const result: unknown = await value.apply(target, values)
          if (isWrite) this.#step(`${what} (answered)`)
          return result
        }
      },
    })
  }

  async *#list(pages: AsyncIterable<unknown>): AsyncGenerator {
    this.#throwIfDead('list')
    yield* pages
  }

  #step(what: string): void {
    this.#throwIfDead(what)
    this.steps.push(what)
    this.#throwIfDead(what)
  }

  #throwIfDead(what: string): void {
    if (this.isDead) throw systemError('EIO', what, 'dead')
  }
}
