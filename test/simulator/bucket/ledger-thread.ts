/** The thread of a ledger: the real writer, one task after the other, each a step of whoever asked for it. */
import { LedgerWriter } from '../../../src/storage/bucket-chunks/ledger-writer.ts'
import type { LedgerTask } from '../../../src/storage/bucket-chunks/ledger-tasks.ts'
import { currentScheduler } from '../doubles/runtime.ts'

/** Stands for the pool with one thread that a ledger opens. */
export class LedgerThread {
  readonly #here: (work: () => unknown) => unknown
  #writer: LedgerWriter | null = null
  #last: Promise<unknown> = Promise.resolve()

  /** `here` runs work on the machine whose thread it is. */
  constructor(here: (work: () => unknown) => unknown) {
    this.#here = here
  }

  async run(task: LedgerTask): Promise<unknown> {
    const before = this.#last
    const done = Promise.withResolvers<void>()
    this.#last = done.promise
    try {
      await before
      return await currentScheduler().call('ledger', describe(task), () => this.#do(task))
    } finally {
      done.resolve()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last
  }

  #do(task: LedgerTask): unknown {
    return this.#here(() => {
      this.#writer ??= new LedgerWriter(task.path)
      return this.#writer.run(task)
    })
  }
}

function describe(task: LedgerTask): string {
  switch (task.kind) {
    case 'condemn':
    case 'acquit':
    case 'renew':
      return `${task.kind} ${task.keys.join(', ')}`
    case 'apply':
    case 'add-listed':
      return `${task.kind}, ${task.entries.sizes.length} entries`
    default:
      return task.kind
  }
}
