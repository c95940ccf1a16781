import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import {
  addSection,
  changeSection,
  findSection,
  formatSectionConfig,
  parseSectionConfig,
  propertiesOf,
  removeSection,
  sectionsOf,
} from './section-config.ts'

const FIXTURES = new URL('../../test/fixtures/config/', import.meta.url)
const FILES = [
  'datastore.cfg',
  'domains.cfg',
  'metricserver.cfg',
  'notifications.cfg',
  'prune.cfg',
  'remote.cfg',
  's3.cfg',
  'sync.cfg',
  'traffic-control.cfg',
  'user.cfg',
  'verification.cfg',
]

function fixture(name: string): string {
  return readFileSync(new URL(name, FIXTURES), 'utf8')
}

const STRANGE = [
  '# a comment of the administrator',
  'user: a@pbs',
  '\tcomment one',
  '\tzebra striped',
  '',
  'future-kind: x',
  '\twhatever 1',
  '\tlist a',
  '\tlist b',
  '',
  'user: b@pbs',
  '    enable 1',
  'not a section at all',
].join('\n')

suite('parseSectionConfig() and formatSectionConfig()', () => {
  for (const name of FILES) {
    test(`give ${name} of a stock server back byte for byte`, () => {
      const text = fixture(name)
      const config = parseSectionConfig(text)
      assert.ok(sectionsOf(config).length > 0)
      assert.equal(formatSectionConfig(config), text)
    })
  }

  test('keep unknown sections, keys, comments, indentation and a missing line end', () => {
    const config = parseSectionConfig(STRANGE)
    assert.equal(formatSectionConfig(config), STRANGE)
    assert.deepEqual(
      sectionsOf(config).map(({ type, id }) => `${type} ${id}`),
      ['user a@pbs', 'future-kind x', 'user b@pbs'],
    )
    const future = findSection(config, 'future-kind', 'x')
    assert.deepEqual(future?.properties, [
      ['whatever', '1'],
      ['list', 'a'],
      ['list', 'b'],
    ])
    assert.equal(formatSectionConfig(parseSectionConfig('')), '')
  })
})

suite('changeSection()', () => {
  for (const name of FILES) {
    test(`changes one section of ${name} and no byte of the others`, () => {
      const text = fixture(name)
      const config = parseSectionConfig(text)
      for (const section of sectionsOf(config)) {
        const next = changeSection(config, section, new Map([['comment', 'changed here']]))
        const others = (from: typeof config) =>
          sectionsOf(from).filter(({ id, type }) => id !== section.id || type !== section.type)
        assert.deepEqual(others(next), others(config))
        const changed = findSection(next, section.type, section.id)
        assert.ok(changed)
        assert.equal(propertiesOf(changed).get('comment'), 'changed here')
        const back = changeSection(next, section, originalComment(section))
        assert.equal(formatSectionConfig(back), text)
      }
    })
  }

  test('puts a new key where stock has it: in alphabetical order', () => {
    const config = parseSectionConfig(fixture('datastore.cfg'))
    const target = { type: 'datastore', id: 'fxsess' }
    const changes = new Map([
      ['tuning', 'sync-level=none'],
      ['comment', 'hi'],
    ])
    const section = findSection(changeSection(config, target, changes), 'datastore', 'fxsess')
    assert.deepEqual(section?.lines, [
      'datastore: fxsess',
      '\tcomment hi',
      '\tpath /<work____>/ds/fxsess',
      '\ttuning sync-level=none',
    ])
  })

  test('gives the same config back if nothing differs', () => {
    const config = parseSectionConfig(STRANGE)
    const same = changeSection(config, { type: 'user', id: 'a@pbs' }, new Map([['comment', 'one']]))
    assert.equal(same, config)
  })

  test('refuses a value with a line break: it would be a line of its own', () => {
    const config = parseSectionConfig(STRANGE)
    assert.throws(
      () =>
        changeSection(config, { type: 'user', id: 'a@pbs' }, new Map([['comment', 'x\nuser: z']])),
      { code: 'CONFIG_VALUE' },
    )
  })
})

suite('addSection() and removeSection()', () => {
  test('append behind an empty line, and take it away again', () => {
    const text = fixture('user.cfg')
    const config = parseSectionConfig(text)
    const target = { type: 'user', id: 'new@pbs' }
    const next = addSection(config, { ...target, properties: new Map([['enable', 'false']]) })
    assert.equal(formatSectionConfig(next), `${text}\nuser: new@pbs\n\tenable false\n`)
    assert.equal(formatSectionConfig(removeSection(next, target)), text)
  })

  test('start an empty file without an empty line', () => {
    const section = { type: 'user', id: 'a@pbs', properties: new Map() }
    assert.equal(formatSectionConfig(addSection(parseSectionConfig(''), section)), 'user: a@pbs\n')
  })

  test('removing from the middle leaves all others as they were', () => {
    const config = parseSectionConfig(STRANGE)
    const next = removeSection(config, { type: 'future-kind', id: 'x' })
    assert.equal(
      formatSectionConfig(next),
      STRANGE.replace('future-kind: x\n\twhatever 1\n\tlist a\n\tlist b\n\n', ''),
    )
  })
})

function originalComment(section: Parameters<typeof propertiesOf>[0]): Map<string, string | null> {
  return new Map([['comment', propertiesOf(section).get('comment') ?? null]])
}

suite('parseSectionConfig()', () => {
  test('splits a heading at the last colon that leaves an id', () => {
    const headings = parseSectionConfig('a:b:\n\nuser: x\n\n:\n\na:b c\n\nt:\tid \n').items
    const named = headings.flatMap((item) =>
      item.kind === 'section' ? `${item.type} ${item.id}` : [],
    )
    assert.deepEqual(named, ['a b:', 'user x', 't id'])
  })

  // A comment may hold U+2028: the lines behind it, the path or that a user is disabled, have to stay in force.
  for (const breaking of ['\u2028', '\u2029', '\u0085', '\r', '\v']) {
    test(`reads on behind a value with U+${breaking.charCodeAt(0).toString(16)}`, () => {
      const config = parseSectionConfig(`user: x\n\tcomment a${breaking}b\n\tenable false\n`)
      const section = findSection(config, 'user', 'x')
      assert.deepEqual(section?.properties, [
        ['comment', `a${breaking}b`],
        ['enable', 'false'],
      ])
      const next = changeSection(config, { type: 'user', id: 'x' }, new Map([['comment', 'c']]))
      assert.equal(formatSectionConfig(next), 'user: x\n\tcomment c\n\tenable false\n')
    })
  }

  // Colons, or spaces before something else, were tried in every combination: 64 KiB took 25 s.
  test('takes time in proportion to the text', () => {
    const lines = [
      `${':'.repeat(100_000)} x y`,
      'a: b',
      `\tk v${' '.repeat(100_000)}\r${' '.repeat(99)}x`,
    ]
    const start = process.threadCpuUsage()
    parseSectionConfig(lines.join('\n'))
    const { user } = process.threadCpuUsage(start)
    assert.ok(user < 2_000_000, `${user} µs`)
  })
})
