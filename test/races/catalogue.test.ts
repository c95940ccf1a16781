/** The list of races is whole, and what it names is there. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { checkPatches } from '../support/source-patch.ts'
import { GUARDS, RACES, renderRaces } from './catalogue.ts'
import { layerCuts } from './run-guard.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const LAST_RACE = 70
const LAST_DESIGN_TEST = 12

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}

/** A row of each table that a test is named after. */
const ROWS: Readonly<Record<string, string>> = { errno: 'EIO', place: 'ct', kind: 'a folder' }

suite('races', () => {
  test('every race of the page is listed once, guarded or with its reason', () => {
    const numbers = Array.from({ length: LAST_RACE }, (_value, index) => index + 1)
    const expected = numbers.map((number) => `R-${String(number).padStart(2, '0')}`)
    expected.splice(3, 0, 'R-03b')
    for (let number = 1; number <= LAST_DESIGN_TEST; number += 1) expected.push(`D${number}`)
    assert.deepEqual(
      RACES.map(({ id }) => id),
      expected,
    )
    for (const { id, note, tests } of RACES) {
      const isGuarded = GUARDS.some(({ races }) => races.includes(id))
      assert.ok(isGuarded || note !== undefined || tests !== undefined, id)
    }
    const known = new Set(expected)
    for (const race of GUARDS.flatMap(({ races }) => races)) assert.ok(known.has(race), race)
  })

  test('the text of every guard is in its file, once', () => {
    for (const guard of GUARDS) {
      const id = guard.races.join()
      checkPatches([...layerCuts(guard), ...guard.cuts].map((cut) => ({ id, ...cut })))
      const name = guard.where.split(/[(,[]/)[0]?.split('.').at(-1)?.trim() ?? ''
      const files = guard.cuts.map(({ file }) => read(file))
      assert.ok(
        files.some((text) => text.includes(name)),
        `${id}: no ${name} in its file`,
      )
    }
  })

  test('every test that is named is there', () => {
    const named = [
      ...GUARDS.map((guard) => guard.test),
      ...RACES.flatMap(({ tests = [] }) => tests),
    ]
    for (const [file, name] of named) {
      const text = read(file).replaceAll(/\$\{(\w+)\}/g, (text, part: string) => {
        return ROWS[part] ?? text
      })
      const quoted = [`'${name}`, `"${name}`, `\`${name}`]
      assert.ok(
        quoted.some((start) => text.includes(start)),
        `no test '${name}' in ${file}`,
      )
    }
  })

  test('docs/races.md is made of it', () => {
    assert.equal(read('docs/races.md'), renderRaces(), 'run node tools/races-doc.ts')
  })
})
