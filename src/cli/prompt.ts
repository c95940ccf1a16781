/** Questions on the controlling terminal (spec cli 2.6, 2.7). */

/** The door to the person in front of the machine; `terminalPrompt` is the real one. */
export interface Prompt {
  /** Whether standard input is a terminal. */
  readonly isInteractive: boolean
  /** A line that is not shown while it is typed. @throws NO_PASSWORD_INPUT, CANCELLED */
  askSecret(question: string): Promise<string>
  /** A line of standard input, also when it is a pipe; null at its end. */
  askLine(question: string, where: 'out' | 'error'): Promise<string | null>
}
