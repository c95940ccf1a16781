/** The naive walk through the chunk folders: names alone, names and `lstat`, or a touch of each file. */
import { lstatSync, readdirSync, utimesSync } from 'node:fs'
import { workerData } from 'node:worker_threads'

export interface FolderWork {
  readonly folder: string
  readonly from: number
  readonly to: number
  readonly what: 'names' | 'lstat' | 'touch'
}

const { folder, from, to, what } = workerData as FolderWork
for (let prefix = from; prefix < to; prefix += 1) {
  const path = `${folder}/${prefix.toString(16).padStart(4, '0')}`
  for (const name of readdirSync(path)) {
    if (what === 'lstat') lstatSync(`${path}/${name}`)
    else if (what === 'touch') {
      const { mtime } = lstatSync(`${path}/${name}`)
      utimesSync(`${path}/${name}`, new Date(), mtime)
    }
  }
}
