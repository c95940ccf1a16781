/** What one archive's upload cost, and the lines that say so (spec cli 4.2). */
import { formatBytes } from '../../base/human-units.ts'

export interface UploadStatistics {
  readonly chunkCount: number
  /** Bytes of the archive. */
  readonly size: number
  /** Bytes of chunks that were sent. */
  readonly sentSize: number
  /** The same, compressed and encrypted. */
  readonly encodedSize: number
  readonly durationMs: number
}

/** Below this, saying that something was reused is noise. */
const REUSE_SIZE_MIN = 1024 * 1024

/** The closing lines of an archive called `name` (without `.didx`, `.fidx`). */
export function statisticsLines(name: string, statistics: UploadStatistics): readonly string[] {
  const { size, sentSize, encodedSize, durationMs } = statistics
  const seconds = Math.max(durationMs, 1) / 1000
  const average = formatBytes(Math.floor(sentSize / seconds))
  const lines = [
    `${name}: had to backup ${formatBytes(sentSize)} of ${formatBytes(size)} ` +
      `(compressed ${formatBytes(encodedSize)}) in ${(durationMs / 1000).toFixed(2)} s ` +
      `(average ${average}/s)`,
  ]
  const reusedSize = size - sentSize
  if (reusedSize > 0 && size > REUSE_SIZE_MIN) {
    const percent = ((reusedSize * 100) / size).toFixed(1)
    lines.push(
      `${name}: backup was done incrementally, reused ${formatBytes(reusedSize)} (${percent}%)`,
    )
  }
  return lines
}
