import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  formatPatternLines,
  matchesEntry,
  matchList,
  parseMatchEntry,
  parseRestorePattern,
} from './path-pattern.ts'

const DIRECTORY = 0o40755
const FILE = 0o100644

suite('matchesEntry()', () => {
  const rows: readonly (readonly [string, string, number, boolean])[] = [
    ['foo', '/x/foo', FILE, true],
    ['/foo', '/x/foo', FILE, false],
    ['/foo', '/foo', FILE, true],
    ['a/b', '/x/a/b', FILE, true],
    ['d/', '/d', DIRECTORY, true],
    ['d/', '/d', FILE, false],
    ['d//', '/d', DIRECTORY, true],
    ['*.tmp', '/x/y.tmp', FILE, true],
    ['/x/*', '/x/y/z', FILE, false],
    ['/x/*', '/x/y', FILE, true],
    ['/x/**', '/x/y/z', FILE, true],
    ['/x/**', '/x', DIRECTORY, false],
    ['a/**', '/a', DIRECTORY, false],
    ['**/x', '/x', FILE, true],
    ['/**/x', '/x', FILE, true],
    ['/**/x', '/a/b/x', FILE, true],
    ['/a/**/b', '/a/b', FILE, true],
    ['/a/**/b', '/a/x/y/b', FILE, true],
    ['/a**', '/a/b', FILE, false],
    ['/a**', '/abc', FILE, true],
    ['/**b', '/a/b', FILE, false],
    ['/a?c', '/abc', FILE, true],
    ['/a?c', '/a/c', FILE, false],
    ['/a[/]c', '/a/c', FILE, true],
    ['/a[^x]c', '/a/c', FILE, true],
    ['/a[!x]c', '/axc', FILE, true],
    ['/a[!x]c', '/ayc', FILE, false],
    ['/[a-c]', '/b', FILE, true],
    ['/[c-a]', '/b', FILE, true],
    ['/[-a]', '/-', FILE, true],
    ['/[a-cx-]]', '/x', FILE, true],
    ['/[a-c-]', '/-', FILE, true],
    ['/[]', '/]', FILE, false],
    ['/[^]', '/]', FILE, true],
    ['/[[:digit:]]', '/7', FILE, true],
    ['/[[:digit:]-]', '/-', FILE, true],
    ['/[[:space:]]', '/\v', FILE, false],
    ['/[[:print:]]', '/\x7f', FILE, true],
    ['/\\*', '/*', FILE, true],
    ['/\\*', '/x', FILE, false],
    ['\xff*', '/\xff\xfe', FILE, true],
    ['', '/x', DIRECTORY, false],
    ['/', '/x', DIRECTORY, false],
  ]
  for (const [pattern, path, mode, expected] of rows) {
    test(`says ${expected} for '${pattern}' and ${JSON.stringify(path)}`, () => {
      assert.equal(matchesEntry(parseMatchEntry(pattern, 'exclude'), path, mode), expected)
    })
  }

  test('lets a star that reaches a slash give up its alternatives', () => {
    // pxar.md 13.1: the class could take the slash if the first star went on, which it does not.
    assert.equal(matchesEntry(parseMatchEntry('/*[a/]*b', 'exclude'), '/xa/b', FILE), false)
  })

  test('bounds the work of a hostile pattern', () => {
    const entry = parseMatchEntry(`${'**/*a*'.repeat(1)}${'/**/*a*a'.repeat(12)}`, 'exclude')
    assert.equal(matchesEntry(entry, `/${'a/aaaaaaaaaaaaaaa/'.repeat(60)}`, FILE), false)
  })
})

suite('parseMatchEntry()', () => {
  const bad: readonly (readonly [string, RegExp])[] = [
    ['a\\', /^trailing backslash in pattern$/],
    ['ab[', /^unclosed character class in pattern, starting at byte 2$/],
    ['[a', /^unclosed character class in pattern/],
    ['[1-]', /^unclosed character class in pattern/],
    ['[[:nope:]]', /^malformed named character class in pattern, starting at byte 1$/],
    ['a\0b', /NUL/],
  ]
  for (const [pattern, message] of bad) {
    test(`refuses ${JSON.stringify(pattern)}`, () => {
      assert.throws(() => parseMatchEntry(pattern, 'exclude'), { code: 'PATTERN_INVALID', message })
    })
  }

  // A `.pxarexclude` of somebody else's is read with the tree: each of these ended or stopped the backup.
  test('refuses a pattern that the matcher would go too deep for', () => {
    for (const pattern of ['**/'.repeat(20_000), '*a'.repeat(4000)]) {
      assert.throws(() => parseMatchEntry(pattern, 'exclude'), { code: 'PATTERN_INVALID' })
    }
    const most = parseMatchEntry(`${'**/'.repeat(256)}x`, 'exclude')
    assert.equal(matchesEntry(most, `${'/a'.repeat(2000)}/x`, FILE), true)
  })

  test('takes time in proportion to the slashes', () => {
    const start = process.threadCpuUsage()
    assert.equal(parseMatchEntry(`${'/'.repeat(200_000)}x`, 'exclude').directoriesOnly, false)
    assert.equal(parseMatchEntry(`x${'/'.repeat(200_000)}`, 'exclude').pattern, 'x')
    const { user } = process.threadCpuUsage(start)
    assert.ok(user < 2_000_000, `${user} µs`)
  })

  test('turns the type round for a leading exclamation mark', () => {
    assert.equal(parseMatchEntry('!x', 'exclude').type, 'include')
    assert.equal(parseMatchEntry('!x', 'include').type, 'exclude')
  })
})

suite('matchList()', () => {
  test('lets the last match decide', () => {
    const list = ['*.tmp', '!keep.tmp'].map((text) => parseMatchEntry(text, 'exclude'))
    assert.equal(matchList(list, '/a/b.tmp', FILE), 'exclude')
    assert.equal(matchList(list, '/a/keep.tmp', FILE), 'include')
    assert.equal(matchList(list, '/a/other', FILE), null)
  })
})

suite('formatPatternLines()', () => {
  test('records sign, pattern and limit to directories', () => {
    const list = ['*.tmp', '!keep', 'd/', '', '!/'].map((text) => parseMatchEntry(text, 'exclude'))
    assert.equal(formatPatternLines(list), '*.tmp\n!keep\nd/\n/\n!/\n')
  })
})

suite('parseRestorePattern()', () => {
  test('wants two characters and no trailing backslash', () => {
    for (const text of ['', '/', 'a', 'ab\\']) {
      assert.throws(() => parseRestorePattern(text), { code: 'PATTERN_INVALID' })
    }
    assert.equal(parseRestorePattern('d/').directoriesOnly, true)
  })
})
