/** Script of the threads of a verification. */
import { setPriority } from 'node:os'
import { serveWorker } from '../../base/async/serve-worker.ts'
import { SliceReader } from './slice-reader.ts'
import { Tickets } from './tickets.ts'
import type { VerifySlice } from './verify-slice.ts'

export type VerifyTask = {
  /** The `.chunks` folder. */
  readonly folder: string
  readonly tickets: SharedArrayBuffer
} & (
  | { readonly kind: 'check'; readonly slice: VerifySlice }
  | { readonly kind: 'order'; readonly digests: Uint8Array }
)

/** Backups come first: on a busy machine these threads get about a tenth of what others do. */
const NICENESS = 10

// On Linux this is the calling thread alone; elsewhere it would be the whole server.
if (process.platform === 'linux') {
  try {
    setPriority(0, NICENESS)
  } catch {
    // Then it takes its full share.
  }
}

let reader: { readonly folder: string; readonly reader: SliceReader } | null = null

serveWorker((input, context): unknown => {
  const task = input as VerifyTask
  const check = (): void => context.throwIfAborted()
  if (reader?.folder !== task.folder) {
    reader = {
      folder: task.folder,
      reader: new SliceReader(task.folder, new Tickets(task.tickets)),
    }
  }
  switch (task.kind) {
    case 'check':
      return reader.reader.readSlice(task.slice, check)
    case 'order':
      return reader.reader.order(task.digests, check)
    default:
      return task satisfies never
  }
})
