/** Logs of tasks below a task folder. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** A task that has not ended after two minutes will not, on any machine. */
const ATTEMPTS_MAX = 12_000
const ATTEMPT_MS = 10

/** The log of the newest task whose UPID contains `part`, once it has ended. */
export async function latestTask(folder: string, part: string): Promise<string> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const text = await readLatest(folder, part)
    if (text !== null && /: TASK (OK|WARNINGS|ERROR).*\n?$/.test(text)) return text.trimEnd()
    await delay(ATTEMPT_MS)
  }
  throw new Error(`no ended task '${part}' in ${folder}`)
}

async function readLatest(folder: string, part: string): Promise<string | null> {
  const names = await readdir(folder, { recursive: true })
  // Task ids count up, so the last in order of the id is the newest.
  const ofPart = names.filter((name) => name.includes('UPID:') && name.includes(part))
  const newest = ofPart.toSorted((a, b) => taskId(a) - taskId(b)).at(-1)
  return newest === undefined ? null : await readFile(join(folder, newest), 'utf8')
}

function taskId(name: string): number {
  return Number.parseInt(name.split(':')[4] ?? '0', 16)
}

/** Lines of a growing file that hold `part`, once there are `count` of them. */
export async function linesWith(path: string, part: string, count: number): Promise<string[]> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const text = await readFile(path, 'utf8').catch(() => '')
    const lines = text.split('\n').filter((line) => line.includes(part))
    if (lines.length >= count) return lines
    await delay(ATTEMPT_MS)
  }
  throw new Error(`not ${count} lines with '${part}' in ${path}`)
}
