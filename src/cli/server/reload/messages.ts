/**
 * What a server and the one it started tell each other. Order: the parent says `go` when the service manager knows the
 * child, the child says `ready` when it listens; then whoever served before is told `hand-over`. A child that is asked
 * to reload says `reload`: who started it starts the next one, too.
 */

export type ParentMessage = 'go' | 'hand-over'
export type ChildMessage = 'ready' | 'reload'

/** Where a successor finds the listening socket. */
export const LISTEN_DESCRIPTOR = 3
/** Set for a successor: the number above. */
export const LISTEN_VARIABLE = 'CAIRN_LISTEN_FD'
