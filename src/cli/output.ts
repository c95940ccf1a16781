/**
 * Where a command's results go: data to standard output in one of three formats, everything else to
 * standard error (spec cli 1.3, 1.4, 11).
 */
import { type TableStyle, type TextColumn, renderTable } from './table.ts'

export const OUTPUT_FORMATS = ['text', 'json', 'json-pretty'] as const
export type OutputFormat = (typeof OUTPUT_FORMATS)[number]

/** The two streams and what is known about the terminal; tests pass arrays. */
export interface OutputStreams {
  writeOut(text: string): void
  writeError(text: string): void
  /** Columns of the terminal behind standard output; null in a pipe. */
  readonly width: number | null
}

export interface Column<Row> {
  readonly name: string
  readonly header?: string
  readonly align?: 'left' | 'right'
  /** The cell; default is the member called `name`. */
  readonly render?: (row: Row) => string
}

export interface TableOptions<Row> {
  readonly columns: readonly Column<Row>[]
  /** Members (or functions) to sort by, first the most important; absent keeps the order. */
  readonly sortBy?: readonly ((row: Row) => string | number)[]
  readonly hasHeader?: boolean
}

type Environment = Readonly<Record<string, string | undefined>>

const UTF8_LOCALE = /utf-?8/i

/** Prints results; made once by the program for the environment and streams it runs in. */
export class Output {
  readonly #streams: OutputStreams
  readonly #environment: Environment

  constructor(streams: OutputStreams, environment: Environment) {
    this.#streams = streams
    this.#environment = environment
  }

  /** One line of data. */
  line(text: string): void {
    this.#streams.writeOut(`${text}\n`)
  }

  /** Text of data as it is, without line end. */
  raw(text: string): void {
    this.#streams.writeOut(text)
  }

  /** One line for people: logs, warnings. */
  log(text: string): void {
    this.#streams.writeError(`${text}\n`)
  }

  /** The format to use for the option's value: option, environment, text; null if it is unknown. */
  format(option: OutputFormat | undefined): OutputFormat | null {
    if (option !== undefined) return option
    const wanted = this.#environment['PROXMOX_OUTPUT_FORMAT'] ?? 'text'
    const known = OUTPUT_FORMATS.find((format) => format === wanted)
    if (known === undefined) this.log(`undefined output format '${wanted}'`)
    return known ?? null
  }

  /** `value` by the format: JSON as it is, text by `asText`. */
  result(option: OutputFormat | undefined, value: unknown, asText: () => void): void {
    const format = this.format(option)
    if (format === 'text') asText()
    else if (format !== null) this.json(value, { isPretty: format === 'json-pretty' })
  }

  json(value: unknown, options: { readonly isPretty: boolean }): void {
    this.line(formatJson(value, options))
  }

  /** Rows as a table, or as JSON unchanged. */
  rows<Row extends object>(
    option: OutputFormat | undefined,
    rows: readonly Row[],
    table: TableOptions<Row>,
  ): void {
    this.result(option, rows, () => this.table(rows, table))
  }

  /** Rows as a table; nothing for no rows. */
  table<Row extends object>(rows: readonly Row[], options: TableOptions<Row>): void {
    if (rows.length === 0) return
    const sorted = sortRows(rows, options.sortBy ?? [])
    const columns: readonly TextColumn[] = options.columns.map((column) => ({
      header: column.header ?? column.name,
      align: column.align ?? 'left',
    }))
    const cells = sorted.map((row) =>
      options.columns.map((column) =>
        column.render === undefined ? cellText(member(row, column.name)) : column.render(row),
      ),
    )
    const style = this.#tableStyle(options.hasHeader ?? true)
    for (const line of renderTable(columns, cells, style)) this.line(line)
  }

  /** One object as a table of names and values, in the given order; absent values are left out. */
  properties(
    entries: readonly (readonly [name: string, value: unknown])[],
    options: { readonly hasHeader?: boolean; readonly alignValue?: 'left' | 'right' } = {},
  ): void {
    const rows = entries
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([name, value]) => ({ name, value: cellText(value) }))
    this.table(rows, {
      columns: [
        { name: 'name', header: 'Name' },
        { name: 'value', header: 'Value', align: options.alignValue ?? 'left' },
      ],
      hasHeader: options.hasHeader ?? true,
    })
  }

  #tableStyle(hasHeader: boolean): TableStyle {
    const environment = this.#environment
    const locale = environment['LC_ALL'] || environment['LC_CTYPE'] || environment['LANG'] || 'C'
    return {
      hasBorder: environment['PROXMOX_OUTPUT_NO_BORDER'] === undefined,
      hasHeader: hasHeader && environment['PROXMOX_OUTPUT_NO_HEADER'] === undefined,
      isUtf8: UTF8_LOCALE.test(locale),
      widthMax: this.#streams.width,
    }
  }
}

/** JSON with sorted keys: one line without spaces, or two spaces of indentation a level. */
export function formatJson(value: unknown, options: { readonly isPretty: boolean }): string {
  return JSON.stringify(sortKeys(value), null, options.isPretty ? 2 : 0)
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, member]) => member !== undefined)
  entries.sort(([left], [right]) => (left < right ? -1 : 1))
  return Object.fromEntries(entries.map(([key, member]) => [key, sortKeys(member)]))
}

function member(row: object, name: string): unknown {
  return Object.hasOwn(row, name) ? Reflect.get(row, name) : undefined
}

function cellText(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return value
    case 'undefined':
      return ''
    case 'boolean':
      return value ? '1' : '0'
    case 'number':
      return String(value)
    default:
      return value === null ? '' : formatJson(value, { isPretty: false })
  }
}

function sortRows<Row>(
  rows: readonly Row[],
  keys: readonly ((row: Row) => string | number)[],
): readonly Row[] {
  return rows.toSorted((left, right) => {
    for (const key of keys) {
      const [a, b] = [key(left), key(right)]
      if (a !== b) return a < b ? -1 : 1
    }
    return 0
  })
}
