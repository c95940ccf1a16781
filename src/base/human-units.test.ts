import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatBytes, formatDuration, parseBytes } from './human-units.ts'

test('formatBytes() rounds to three decimals', () => {
  const rows = [
    [0, '0 B'],
    [1023, '1023 B'],
    [4 * 1024 * 1024, '4 MiB'],
    [9_449_529, '9.012 MiB'],
    [1500, '1.465 KiB'],
    [20 * 1024 ** 3, '20 GiB'],
  ] as const
  for (const [size, text] of rows) assert.equal(formatBytes(size), text)
})

test('parseBytes() knows decimal and binary units', () => {
  const rows = [
    ['64k', 64_000],
    ['64KB', 64_000],
    ['64Ki', 65_536],
    ['64 KiB', 65_536],
    ['1.5M', 1_500_000],
    ['7', 7],
    ['7b', 7],
    ['-1', null],
    ['1X', null],
    ['', null],
  ] as const
  for (const [text, size] of rows) assert.equal(parseBytes(text), size, text)
})

test('formatDuration() leaves out what is zero', () => {
  const rows = [
    [0.05, '<0.1s'],
    [0.1, '0.1s'],
    [12, '12s'],
    [60, '1m'],
    [3723.5, '1h 2m 3.5s'],
    [86_400, '1d'],
  ] as const
  for (const [seconds, text] of rows) assert.equal(formatDuration(seconds), text)
})
