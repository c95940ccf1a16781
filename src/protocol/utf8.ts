/** Says where text stops being UTF-8, in the words that stock's standard library uses. */

/** Lead bytes by range: how many bytes follow, and what the first of them may be. */
const LEADS = [
  { from: 0x00, to: 0x7f, more: 0, low: 0x80, high: 0xbf },
  { from: 0xc2, to: 0xdf, more: 1, low: 0x80, high: 0xbf },
  { from: 0xe0, to: 0xe0, more: 2, low: 0xa0, high: 0xbf },
  { from: 0xe1, to: 0xec, more: 2, low: 0x80, high: 0xbf },
  { from: 0xed, to: 0xed, more: 2, low: 0x80, high: 0x9f },
  { from: 0xee, to: 0xef, more: 2, low: 0x80, high: 0xbf },
  { from: 0xf0, to: 0xf0, more: 3, low: 0x90, high: 0xbf },
  { from: 0xf1, to: 0xf3, more: 3, low: 0x80, high: 0xbf },
  { from: 0xf4, to: 0xf4, more: 3, low: 0x80, high: 0x8f },
] as const

/** The problem of `bytes`, which are known not to be UTF-8. */
export function describeBadUtf8(bytes: Uint8Array): string {
  for (let index = 0; index < bytes.length; ) {
    const sequence = readSequence(bytes, index)
    if (sequence.kind === 'incomplete') {
      return `incomplete utf-8 byte sequence from index ${index}`
    }
    if (sequence.kind === 'invalid') {
      return `invalid utf-8 sequence of ${sequence.size} bytes from index ${index}`
    }
    index += sequence.size
  }
  return 'valid utf-8'
}

type Sequence =
  | { readonly kind: 'good' | 'invalid'; readonly size: number }
  | { readonly kind: 'incomplete' }

function readSequence(bytes: Uint8Array, index: number): Sequence {
  const first = bytes[index] ?? 0
  const lead = LEADS.find(({ from, to }) => first >= from && first <= to)
  if (lead === undefined) return { kind: 'invalid', size: 1 }
  for (let step = 1; step <= lead.more; step += 1) {
    const byte = bytes[index + step]
    if (byte === undefined) return { kind: 'incomplete' }
    const { low, high } = step === 1 ? lead : { low: 0x80, high: 0xbf }
    if (byte < low || byte > high) return { kind: 'invalid', size: step }
  }
  return { kind: 'good', size: lead.more + 1 }
}
