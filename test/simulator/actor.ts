/** Who takes steps, and the steps that wait to be chosen. */

/** One running operation. */
export interface Actor {
  readonly id: number
  readonly name: string
  /** Anything with an identity; a process that ended runs nothing any more. */
  readonly process: object
  readonly waiting: Call[]
  /** Of the operation's calls, for faults and for the printed schedule. */
  callCount: number
  isDone: boolean
  /** Its process was killed: it asks for nothing any more. */
  isKilled: boolean
}

export interface Call {
  readonly actor: Actor
  readonly name: string
  readonly detail: string
  /** Monotonic time before which it may not be chosen. */
  readonly dueMs: number
  /** Step after which it was asked for: until it takes effect it is on its way to the kernel. */
  readonly askedAtStep: number
  /** Takes effect and gives the answer. */
  run(): unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}
