/**
 * What other programs do to a disk beside a backup: small files written and synced, and now and then some file of the
 * datastore, in a random order. Syncs of others make a journal commit names whose content is not written yet: without
 * them a power cut loses whole files only, and shows nothing (races.md R-62). Runs until it is killed.
 */
import { closeSync, fsyncSync, openSync, readdirSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const [folder = '', chunks = ''] = process.argv.slice(2)

const file = openSync(join(folder, 'beside'), 'w')
for (let round = 0; ; round += 1) {
  writeSync(file, `${round}\n`, 0)
  fsyncSync(file)
  if (round === 0) process.stdout.write('up\n')
  if (round % 8 === 0) syncSome()
}

/** One chunk file, as write-back that took one of many. */
function syncSome(): void {
  try {
    const folders = readdirSync(chunks)
    const prefix = join(chunks, folders[Math.floor(Math.random() * folders.length)] ?? '')
    for (const name of readdirSync(prefix)) {
      const handle = openSync(join(prefix, name), 'r')
      fsyncSync(handle)
      closeSync(handle)
    }
  } catch {
    // It was renamed or removed meanwhile.
  }
}
