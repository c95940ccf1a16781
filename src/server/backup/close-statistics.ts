/** The lines that a closed index leaves in the task log (backup-protocol.md 6.5). Pure. */
import type { UploadStatistics } from './session.ts'

export interface ClosedIndexFacts {
  readonly name: string
  /** 32 hex digits. */
  readonly uuid: string
  /** 64 hex digits. */
  readonly csum: string
  /** As the client said at close. */
  readonly size: number
  readonly chunkCount: number
  readonly uploaded: Readonly<UploadStatistics>
}

/** All of them in order; percentages are cut, never rounded. */
export function closeStatistics(facts: ClosedIndexFacts): readonly string[] {
  const { size, chunkCount, uploaded } = facts
  const lines = [
    `Upload statistics for '${facts.name}'`,
    `UUID: ${facts.uuid}`,
    `Checksum: ${facts.csum}`,
    `Size: ${size}`,
    `Chunk count: ${chunkCount}`,
  ]
  if (size === 0 || chunkCount === 0) return lines
  lines.push(`Upload size: ${uploaded.size} (${percent(uploaded.size, size)}%)`)
  const reused = Math.max(0, chunkCount - uploaded.count)
  const duplicates = reused + uploaded.duplicates
  if (duplicates > 0) {
    const share = percent(duplicates, chunkCount)
    lines.push(`Duplicates: ${reused}+${uploaded.duplicates} (${share}%)`)
  }
  if (uploaded.size > 0) {
    lines.push(`Compression: ${percent(uploaded.compressed_size, uploaded.size)}%`)
  }
  return lines
}

function percent(part: number, whole: number): number {
  return Math.floor((part * 100) / whole)
}
