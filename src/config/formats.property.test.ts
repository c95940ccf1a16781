/** Whatever somebody wrote into a file: reading never fails, and writing gives it back. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { fc } from '../../test/support/fast-check.ts'
import { changePath, formatAcl, parseAcl, rulesOf } from './acl-file.ts'
import { formatPropertyString, parsePropertyString } from './property-string.ts'
import {
  changeSection,
  formatSectionConfig,
  parseSectionConfig,
  sectionsOf,
} from './section-config.ts'

const line = fc.oneof(
  fc.string(),
  fc.constantFrom(
    '',
    '\t',
    '#x',
    'user: a',
    'user: b',
    '\tkey value',
    ' k  v ',
    'x:y',
    '\tk',
    '\r',
  ),
  fc.constantFrom('acl:1:/:a@b:Admin', 'acl:0:/x:a@b,c@d!e:Audit,NoAccess', 'acl:2:/:a:b', 'acl:1'),
)
const fileText = fc.array(line, { maxLength: 20 }).map((lines) => lines.join('\n'))

suite('configuration files of any content', () => {
  test('formatSectionConfig() gives back what parseSectionConfig() read', () => {
    fc.assert(
      fc.property(fileText, (text) => {
        assert.equal(formatSectionConfig(parseSectionConfig(text)), text)
      }),
    )
  })

  test('changeSection() leaves every line outside its section', () => {
    fc.assert(
      fc.property(fileText, (text) => {
        const config = parseSectionConfig(text)
        const [section] = sectionsOf(config)
        fc.pre(section !== undefined)
        const next = changeSection(config, section, new Map([['new-key', 'v']]))
        const others = (from: typeof config): unknown[] => {
          const index = from.items.findIndex((item) => item.kind === 'section')
          return from.items.toSpliced(index, 1)
        }
        assert.deepEqual(others(next), others(config))
      }),
    )
  })

  test('formatAcl() gives back what parseAcl() read; another path changes no line', () => {
    fc.assert(
      fc.property(fileText, (body) => {
        const text = body === '' ? '' : `${body.replace(/\n$/, '')}\n`
        const config = parseAcl(text)
        assert.equal(formatAcl(config), text)
        const rule = { path: '/none/of/these', ugid: 'z@z', role: 'Audit', propagate: true }
        const added = changePath(config, rule.path, () => [rule])
        assert.equal(rulesOf(added).length, rulesOf(config).length + 1)
        assert.equal(formatAcl(changePath(added, rule.path, () => [])), text)
      }),
    )
  })

  test('parsePropertyString() reads what formatPropertyString() wrote', () => {
    const key = fc.stringMatching(/^[a-z][a-z-]{0,8}$/)
    const value = fc.string({ minLength: 1 }).filter((text) => text.trim() === text)
    fc.assert(
      fc.property(fc.dictionary(key, value, { noNullPrototype: true }), (properties) => {
        const text = formatPropertyString(Object.entries(properties))
        assert.deepEqual(Object.fromEntries(parsePropertyString(text)), properties)
      }),
    )
  })
})
