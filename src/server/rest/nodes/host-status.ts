/** What the machine says about itself, for `/nodes/{node}/status`. Values are bytes and seconds. */
import os from 'node:os'
import type { FileSystem } from '../../../base/fs/file-system.ts'

export interface CpuShares {
  readonly cpu: number
  readonly wait: number
}

interface CpuTicks {
  readonly idle: number
  readonly wait: number
  readonly total: number
}

const PROC_SIZE_MAX = 1_048_576

/** Busy and waiting shares between two looks; the first look is since the boot. */
export class CpuMeter {
  readonly #fs: FileSystem
  #before: CpuTicks = { idle: 0, wait: 0, total: 0 }

  constructor(fs: FileSystem) {
    this.#fs = fs
  }

  async read(): Promise<CpuShares> {
    const now = parseTicks(await readText(this.#fs, '/proc/stat'))
    const total = now.total - this.#before.total
    const idle = now.idle - this.#before.idle
    const wait = now.wait - this.#before.wait
    if (total <= 0) return { cpu: 0, wait: 0 }
    this.#before = now
    return { cpu: Math.max(0, 1 - (idle + wait) / total), wait: Math.max(0, wait / total) }
  }
}

/** Memory and swap as `/proc/meminfo` has them; elsewhere what Node knows. */
export async function readMemory(fs: FileSystem): Promise<{
  readonly memory: { total: number; used: number; free: number }
  readonly swap: { total: number; used: number; free: number }
}> {
  const text = await readText(fs, '/proc/meminfo')
  const value = (name: string): number | null => {
    const line = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)
    return line === null ? null : Number(line[1]) * 1024
  }
  const total = value('MemTotal') ?? os.totalmem()
  const free = value('MemAvailable') ?? os.freemem()
  const swapTotal = value('SwapTotal') ?? 0
  const swapFree = value('SwapFree') ?? 0
  return {
    memory: { total, used: total - free, free },
    swap: { total: swapTotal, used: swapTotal - swapFree, free: swapFree },
  }
}

/** Model, sockets and threads of the processors. */
export async function readCpuInfo(
  fs: FileSystem,
): Promise<{ model: string; sockets: number; cpus: number }> {
  const text = await readText(fs, '/proc/cpuinfo')
  const sockets = new Set([...text.matchAll(/^physical id\s*:\s*(\d+)/gm)].map(([, id]) => id))
  const cpus = os.cpus()
  return {
    model: cpus[0]?.model.trim() ?? 'unknown',
    sockets: Math.max(1, sockets.size),
    cpus: Math.max(1, cpus.length),
  }
}

/** `kversion` and `current-kernel`. */
export function readKernel(): { kversion: string; kernel: Record<string, string> } {
  const kernel = {
    sysname: os.type(),
    release: os.release(),
    version: os.version(),
    machine: os.machine(),
  }
  return { kversion: `${kernel.sysname} ${kernel.release} ${kernel.version}`, kernel }
}

/** How the machine was started. */
export async function readBootInfo(fs: FileSystem): Promise<{ mode: string; secureboot: boolean }> {
  const efi = await fs.stat('/sys/firmware/efi').catch(() => null)
  if (efi === null) return { mode: 'legacy-bios', secureboot: false }
  const name = '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c'
  const variable = await fs.readFile(name, PROC_SIZE_MAX).catch(() => null)
  return { mode: 'efi', secureboot: variable?.at(4) === 1 }
}

/** Load averages and seconds since the boot. */
export function readLoad(): { loadavg: number[]; uptime: number } {
  return { loadavg: os.loadavg(), uptime: Math.floor(os.uptime()) }
}

function parseTicks(text: string): CpuTicks {
  const line = /^cpu\s+(.*)$/m.exec(text)?.[1] ?? ''
  const ticks = line.split(/\s+/).map(Number).slice(0, 8)
  const [, , , idle = 0, wait = 0] = ticks
  return { idle, wait, total: ticks.reduce((sum, count) => sum + count, 0) }
}

/** Text of a file of the kernel; empty where there is none (other systems). */
async function readText(fs: FileSystem, path: string): Promise<string> {
  const bytes = await fs.readFile(path, PROC_SIZE_MAX).catch(() => new Uint8Array(0))
  return new TextDecoder().decode(bytes)
}
