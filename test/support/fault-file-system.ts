/**
 * A FileSystem that counts and names the calls made through it and fails, or stops, where it is told.
 *
 * Calls of handles count too, under names like `handle.write`. A crash test runs the operation once
 * to learn how many steps it has, then once for each step with a fault there.
 */
import type { FileHandle, FileSystem } from '../../src/base/fs/file-system.ts'
import { systemError } from '../../src/base/fs/system-error.ts'

export interface Step {
  /** `rename`, `handle.sync`, … */
  readonly name: string
  /** The path, or for handles the path they were opened with. */
  readonly path: string
  /** Of `open`. */
  readonly mode?: unknown
}

/** Calls that change nothing, with and without a handle. */
const READING = /^(handle\.)?(read|readFile|stat|lstat|readDir|readLink|realPath|usage)$/

/** Whether a call may change what is on the disk, or makes it durable. */
export function isMutating({ name, mode }: Step): boolean {
  if (name === 'open') return mode !== 'read' && mode !== 'write'
  return !READING.test(name)
}

export interface Fault {
  /** The how manieth call fails, from 1; of `name` if that is given, else of all. */
  readonly at: number
  readonly name?: string
  /** `ENOSPC`, `EIO`, … */
  readonly errno: string
  /** Every call from then on fails too, as after a crash. */
  readonly forever?: boolean
}

export class FaultFileSystem {
  /** What is given to the code under test. */
  readonly fs: FileSystem
  readonly #steps: Step[] = []
  readonly #faults: Fault[] = []
  readonly #counts = new Map<string, number>()
  readonly #unused = new Set<Fault>()
  #onStep: ((step: Step) => void | Promise<void>) | null = null
  #dead: string | null = null

  constructor(inner: FileSystem) {
    this.fs = this.#wrap(inner, '', () => null) as FileSystem
  }

  /** All calls so far, in order. */
  get steps(): readonly Step[] {
    return this.#steps
  }

  /** Names of all calls so far, in order. */
  get stepNames(): string[] {
    return this.#steps.map((step) => step.name)
  }

  /** Plans `fault`; counting starts at the calls that follow. */
  plan(fault: Fault): void {
    this.#faults.push(fault)
    this.#unused.add(fault)
    this.#counts.clear()
  }

  /** Runs `hook` before each call: to stop the code at a step, or to do something in between. */
  onStep(hook: ((step: Step) => void | Promise<void>) | null): void {
    this.#onStep = hook
  }

  /** Forgets steps and faults. */
  reset(): void {
    this.#steps.length = 0
    this.#faults.length = 0
    this.#counts.clear()
    this.#unused.clear()
    this.#dead = null
  }

  /** Throws if a planned fault did not happen: the test would show nothing. */
  assertAllUsed(): void {
    for (const fault of this.#unused) {
      throw new Error(`planned fault did not happen: ${JSON.stringify(fault)}`)
    }
  }

  #wrap(inner: object, prefix: string, pathOf: (values: unknown[]) => string | null): object {
    return new Proxy(inner, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key, target)
        if (typeof value !== 'function') return value
        // What releases must work always, or every test would leak.
        if (typeof key === 'symbol' || key === 'close') return value.bind(target)
        const name = prefix + key
        if (key === 'tryLock') return value.bind(target)
        return async (...values: unknown[]): Promise<unknown> => {
          const path = pathOf(values) ?? String(values[0])
          await this.#step(key === 'open' ? { name, path, mode: values[1] } : { name, path })
          const result: unknown = await value.apply(target, values)
          return key === 'open' ? this.#wrap(result as FileHandle, 'handle.', () => path) : result
        }
      },
    })
  }

  async #step(step: Step): Promise<void> {
    this.#steps.push(step)
    await this.#onStep?.(step)
    if (this.#dead !== null) throw systemError(this.#dead, step.name, step.path)
    const all = this.#count('')
    const named = this.#count(step.name)
    for (const fault of this.#faults) {
      if ((fault.name === undefined ? all : fault.name === step.name && named) !== fault.at)
        continue
      this.#unused.delete(fault)
      if (fault.forever === true) this.#dead = fault.errno
      throw systemError(fault.errno, step.name, step.path)
    }
  }

  #count(name: string): number {
    const count = (this.#counts.get(name) ?? 0) + 1
    this.#counts.set(name, count)
    return count
  }
}
