/** One file that was left open must not end a server with all the backups that run in it. */

/**
 * Node throws this outside of everything when it collects the garbage of an open file, and has closed the file by then:
 * it is told to `report`. Every other error that nobody caught is told too and ends the process, as without us.
 */
export function surviveLeakedFiles(report: (line: string) => void, end: () => never): void {
  process.on('uncaughtException', (error: Error) => {
    report(
      isLeakedFile(error) ? `closed a file that was left open: ${error.message}` : stackOf(error),
    )
    if (!isLeakedFile(error)) end()
  })
}

function isLeakedFile(error: Error): boolean {
  return error.message.startsWith('A FileHandle object was closed during garbage collection')
}

function stackOf(error: Error): string {
  return error.stack ?? String(error)
}
