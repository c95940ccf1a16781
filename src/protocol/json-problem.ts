/**
 * Says what is wrong with text that is not JSON, with line and column, in the words of stock's
 * parser. Only called for text that JSON.parse has refused.
 */

/** Carries the message out of the recursive descent; never leaves this file. */
class JsonProblem extends Error {}

const DEPTH_MAX = 127
const ESCAPES = '"\\/bfnrt'

interface Cursor {
  readonly text: string
  offset: number
  depth: number
}

/** The problem of `text`, such as `key must be a string at line 1 column 2`. */
export function describeJsonProblem(text: string): string {
  const cursor: Cursor = { text, offset: 0, depth: 0 }
  try {
    readValue(cursor)
    skipSpace(cursor)
    if (cursor.offset < text.length) fail(cursor, 'trailing characters')
  } catch (error) {
    if (error instanceof JsonProblem) return error.message
    throw error
  }
  return 'expected value at line 1 column 1'
}

function readValue(cursor: Cursor): void {
  const character = nextAfterSpace(cursor, 'EOF while parsing a value')
  if (character === '{') readNested(cursor, readObject)
  else if (character === '[') readNested(cursor, readArray)
  else if (character === '"') readString(cursor)
  else if (character === 't') readWord(cursor, 'true')
  else if (character === 'f') readWord(cursor, 'false')
  else if (character === 'n') readWord(cursor, 'null')
  else if (character === '-' || isDigit(character)) readNumber(cursor)
  else fail(cursor, 'expected value')
}

function readNested(cursor: Cursor, read: (cursor: Cursor) => void): void {
  cursor.offset += 1
  cursor.depth += 1
  if (cursor.depth > DEPTH_MAX) failBefore(cursor, 'recursion limit exceeded')
  read(cursor)
  cursor.depth -= 1
}

function readObject(cursor: Cursor): void {
  for (let first = true; ; first = false) {
    let character = nextAfterSpace(cursor, 'EOF while parsing an object')
    if (character === '}') break
    if (!first) {
      if (character !== ',') fail(cursor, 'expected `,` or `}`')
      cursor.offset += 1
      character = nextAfterSpace(cursor, 'EOF while parsing a value')
      if (character === '}') fail(cursor, 'trailing comma')
    }
    if (character !== '"') fail(cursor, 'key must be a string')
    readString(cursor)
    if (nextAfterSpace(cursor, 'EOF while parsing an object') !== ':') fail(cursor, 'expected `:`')
    cursor.offset += 1
    readValue(cursor)
  }
  cursor.offset += 1
}

function readArray(cursor: Cursor): void {
  for (let first = true; ; first = false) {
    let character = nextAfterSpace(cursor, 'EOF while parsing a list')
    if (character === ']') break
    if (!first) {
      if (character !== ',') fail(cursor, 'expected `,` or `]`')
      cursor.offset += 1
      character = nextAfterSpace(cursor, 'EOF while parsing a value')
      if (character === ']') fail(cursor, 'trailing comma')
    }
    readValue(cursor)
  }
  cursor.offset += 1
}

function readString(cursor: Cursor): void {
  cursor.offset += 1
  for (;;) {
    const character = cursor.text[cursor.offset]
    if (character === undefined) failBefore(cursor, 'EOF while parsing a string')
    cursor.offset += 1
    if (character === '"') return
    if (character < ' ') {
      failBefore(cursor, 'control character (\\u0000-\\u001F) found while parsing a string')
    }
    if (character === '\\') readEscape(cursor)
  }
}

function readEscape(cursor: Cursor): void {
  const character = cursor.text[cursor.offset]
  if (character === undefined) failBefore(cursor, 'EOF while parsing a string')
  cursor.offset += 1
  if (ESCAPES.includes(character)) return
  if (character !== 'u') failBefore(cursor, 'invalid escape')
  const hex = cursor.text.slice(cursor.offset, cursor.offset + 4)
  cursor.offset += hex.length
  if (hex.length < 4) failBefore(cursor, 'EOF while parsing a string')
  if (!/^[0-9a-fA-F]{4}$/.test(hex)) failBefore(cursor, 'invalid escape')
}

function readWord(cursor: Cursor, word: string): void {
  for (const expected of word) {
    const character = cursor.text[cursor.offset]
    if (character === undefined) failBefore(cursor, 'EOF while parsing a value')
    cursor.offset += 1
    if (character !== expected) failBefore(cursor, 'expected ident')
  }
}

function readNumber(cursor: Cursor): void {
  if (cursor.text[cursor.offset] === '-') cursor.offset += 1
  const start = cursor.offset
  readDigits(cursor)
  if (cursor.text[start] === '0' && cursor.offset > start + 1) {
    cursor.offset = start + 1
    fail(cursor, 'invalid number')
  }
  if (cursor.text[cursor.offset] === '.') {
    cursor.offset += 1
    readDigits(cursor)
  }
  if (/[eE]/.test(cursor.text[cursor.offset] ?? '')) {
    cursor.offset += 1
    if (/[+-]/.test(cursor.text[cursor.offset] ?? '')) cursor.offset += 1
    readDigits(cursor)
  }
}

function readDigits(cursor: Cursor): void {
  const character = cursor.text[cursor.offset]
  if (character === undefined) failBefore(cursor, 'EOF while parsing a value')
  if (!isDigit(character)) fail(cursor, 'invalid number')
  while (isDigit(cursor.text[cursor.offset] ?? '')) cursor.offset += 1
}

function isDigit(character: string): boolean {
  return character >= '0' && character <= '9' && character.length === 1
}

function skipSpace(cursor: Cursor): void {
  while (/[ \n\t\r]/.test(cursor.text[cursor.offset] ?? '')) cursor.offset += 1
}

function nextAfterSpace(cursor: Cursor, atEnd: string): string {
  skipSpace(cursor)
  const character = cursor.text[cursor.offset]
  if (character === undefined) failBefore(cursor, atEnd)
  return character
}

/** Fails at the character under the cursor. */
function fail(cursor: Cursor, message: string): never {
  cursor.offset += 1
  failBefore(cursor, message)
}

/** Fails at the character before the cursor. */
function failBefore(cursor: Cursor, message: string): never {
  const before = cursor.text.slice(0, cursor.offset)
  const lineStart = before.lastIndexOf('\n') + 1
  const line = before.split('\n').length
  const column = Buffer.byteLength(before.slice(lineStart))
  throw new JsonProblem(`${message} at line ${line} column ${column}`)
}
