/**
 * What the probe saw of each bucket, kept in the state folder: `s3/<endpoint>/<bucket>/verdict.json`. It counts for the
 * place that was probed only: another host, port, region or quirk is another place.
 */
import { dirname } from 'node:path'
import { isSystemError } from '../../base/errors.ts'
import { atomicWrite } from '../../base/fs/atomic-write.ts'
import type { FileSystem } from '../../base/fs/file-system.ts'
import type { S3Endpoint } from '../../config/s3-endpoint-file.ts'
import type { ProbeVerdict } from '../../storage/s3/verdict.ts'

export interface BucketName {
  readonly endpointId: string
  readonly bucket: string
}

interface KeptVerdict {
  readonly place: string
  readonly verdict: ProbeVerdict
}

const FILE_MODE = 0o640
const FOLDER_MODE = 0o755
const FILE_SIZE_MAX = 65_536

/** Folder of what is kept of a bucket, below the state folder. */
export function bucketFolder(stateFolder: string, { endpointId, bucket }: BucketName): string {
  return `${stateFolder}/s3/${endpointId}/${bucket}`
}

/** What a verdict depends on: not keys, rates or certificate. */
export function placeKey({ endpoint, port, region, pathStyle, quirks }: S3Endpoint): string {
  return JSON.stringify({ endpoint, port, region, pathStyle, quirks })
}

/** The verdict of the last probe of that place; null if there is none that can be read. */
export async function readVerdict(
  fs: FileSystem,
  stateFolder: string,
  name: BucketName & { readonly place: string },
): Promise<ProbeVerdict | null> {
  try {
    const bytes = await fs.readFile(verdictPath(stateFolder, name), FILE_SIZE_MAX)
    const kept = JSON.parse(Buffer.from(bytes).toString()) as Partial<KeptVerdict>
    return kept.place === name.place && isVerdict(kept.verdict) ? kept.verdict : null
  } catch (error) {
    if (error instanceof SyntaxError || isSystemError(error, 'ENOENT', 'EFBIG')) return null
    throw error
  }
}

export async function writeVerdict(
  fs: FileSystem,
  stateFolder: string,
  name: BucketName & KeptVerdict,
): Promise<void> {
  const path = verdictPath(stateFolder, name)
  const { place, verdict } = name
  await fs.mkdir(dirname(path), { recursive: true, mode: FOLDER_MODE })
  const data = Buffer.from(`${JSON.stringify({ place, verdict } satisfies KeptVerdict)}\n`)
  await atomicWrite(fs, path, data, { mode: FILE_MODE, durable: true })
}

/** Whether whoever relies on `before` may go on with a store that does `after`. */
export function isAsGood(before: ProbeVerdict, after: ProbeVerdict): boolean {
  return after.isUsable && RELIED_ON.every((name) => before[name] === after[name])
}

/** What decides how objects are written, removed and read. */
const RELIED_ON = [
  'honoursIfNoneMatch',
  'ifMatch',
  'deletes',
  'listsInPages',
  'honoursRange',
  'copies',
] as const satisfies readonly (keyof ProbeVerdict)[]

function isVerdict(value: unknown): value is ProbeVerdict {
  if (typeof value !== 'object' || value === null) return false
  return ['probedMs', 'isUsable', 'problems', 'remarks', ...RELIED_ON].every((key) => key in value)
}

function verdictPath(stateFolder: string, name: BucketName): string {
  return `${bucketFolder(stateFolder, name)}/verdict.json`
}
