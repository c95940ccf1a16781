/** A command line split by the quoting rules of a shell, without running one. */

const BACKSLASH = '\\'

/** Words of `line`; an open quote ends at the end of the line. */
export function splitWords(line: string): readonly string[] {
  const words: string[] = []
  let word: string | null = null
  let quote: "'" | '"' | null = null
  for (let index = 0; index < line.length; index++) {
    const character = line[index] ?? ''
    if (quote === "'") {
      if (character === quote) quote = null
      else word += character
    } else if (character === BACKSLASH && index + 1 < line.length) {
      index += 1
      word = (word ?? '') + (line[index] ?? '')
    } else if (quote === '"') {
      if (character === quote) quote = null
      else word += character
    } else if (character === "'" || character === '"') {
      quote = character
      word ??= ''
    } else if (/\s/.test(character)) {
      if (word !== null) words.push(word)
      word = null
    } else {
      word = (word ?? '') + character
    }
  }
  return word === null ? words : [...words, word]
}
