/** Whether the process that a UPID names still lives: pid and start time together are unique until reboot. */
import { isSystemError } from '../base/errors.ts'
import type { FileSystem } from '../base/fs/file-system.ts'

export interface ProcessTable {
  /** Whether a process `pid` that started at `pstart` runs. */
  isAlive(pid: number, pstart: number): Promise<boolean>
}

/** Field of /proc/<pid>/stat behind the name in parentheses, counted from the state: the start time in ticks. */
const START_TIME_FIELD = 19
/** Of the machine or the container. */
const FIRST_PROCESS = 1

/** The process table of this machine; where there is no /proc, other processes count as gone. */
export function procTable(fs: FileSystem): ProcessTable {
  return { isAlive: async (pid, pstart) => (await readStartTime(fs, pid)) === pstart }
}

/** Start of a process in clock ticks since boot; null if there is no such process or no /proc. */
export async function readStartTime(fs: FileSystem, pid: number): Promise<number | null> {
  try {
    const text = Buffer.from(await fs.readFile(`/proc/${pid}/stat`)).toString('latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const value = Number(fields[START_TIME_FIELD])
    return Number.isSafeInteger(value) ? value : null
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ESRCH', 'EACCES', 'ENOTDIR')) return null
    throw error
  }
}

/**
 * Which run of the machine this is, and of the container if this is one: another value after each start. Null where it
 * is not known.
 */
export async function readBootId(fs: FileSystem): Promise<string | null> {
  const start = await readStartTime(fs, FIRST_PROCESS)
  try {
    const id = Buffer.from(await fs.readFile('/proc/sys/kernel/random/boot_id')).toString()
    return start === null ? null : `${id.trim()} ${start}`
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'EACCES', 'ENOTDIR')) return null
    throw error
  }
}
