/** What every command is given beside its values: the doors to the world, made once by `main-*.ts`. */
import type { Clock } from '../base/time/clock.ts'
import type { Output } from './output.ts'
import type { Prompt } from './prompt.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export interface CommandContext {
  readonly output: Output
  readonly prompt: Prompt
  readonly clock: Clock
  /** The environment variables at the start, frozen. */
  readonly environment: Environment
  /** Aborted at the first Ctrl-C. */
  readonly signal: AbortSignal
  /** Takes SIGHUP for a command that reloads; without, it is a signal to end like the others. */
  readonly takeHangUps?: (handler: () => void) => void
}
