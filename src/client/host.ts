/** The doors a client command looks through: files, time, variables, the person, the log. */
import { isSystemError, toError } from '../base/errors.ts'
import type { FileSystem } from '../base/fs/file-system.ts'
import type { Clock } from '../base/time/clock.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Questions to the person in front of the machine. */
export interface ClientPrompt {
  /** Whether standard input is a terminal. */
  readonly isInteractive: boolean
  /** A line that is not shown. */
  askSecret(question: string): Promise<string>
  /** A line of standard input; null at its end. */
  askLine(question: string, where: 'out' | 'error'): Promise<string | null>
}

export interface ClientHost {
  readonly fs: FileSystem
  readonly clock: Clock
  readonly environment: Environment
  readonly prompt: ClientPrompt
  /** One line for people, to standard error. */
  readonly log: (line: string) => void
  /** Name of this machine up to the first dot. */
  readonly nodeName: string
}

/** What stock prints for the commonest errors of the system; others keep Node's sentence. */
const SYSTEM_TEXTS: Readonly<Record<string, string>> = {
  ENOENT: 'No such file or directory (os error 2)',
  EACCES: 'Permission denied (os error 13)',
  EPERM: 'Operation not permitted (os error 1)',
  EEXIST: 'File exists (os error 17)',
  ENOTDIR: 'Not a directory (os error 20)',
  EISDIR: 'Is a directory (os error 21)',
  ENOSPC: 'No space left on device (os error 28)',
  EROFS: 'Read-only file system (os error 30)',
}

/** The sentence for `error` inside another message. */
export function systemText(error: unknown): string {
  if (isSystemError(error, ...Object.keys(SYSTEM_TEXTS))) {
    return SYSTEM_TEXTS[error.code ?? ''] ?? error.message
  }
  return toError(error).message
}
