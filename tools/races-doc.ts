/** Writes docs/races.md anew from test/races/catalogue.ts. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { renderRaces } from '../test/races/catalogue.ts'

writeFileSync(join(import.meta.dirname, '..', 'docs', 'races.md'), renderRaces())
