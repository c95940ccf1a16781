/** What administrators and stock write into files: configuration, lists of tasks. */
import { parseAcl } from '../../src/config/acl-file.ts'
import { parseBoolean, parsePropertyString } from '../../src/config/property-string.ts'
import { formatSectionConfig, parseSectionConfig } from '../../src/config/section-config.ts'
import { parseIndex } from '../../src/tasks/index-line.ts'
import type { FuzzTarget } from './fuzz.ts'
import { expect, lenient, lines, readFolder, textTarget } from './samples.ts'

/** Targets of `src/config` and `src/tasks`. */
export function configTargets(): FuzzTarget[] {
  const strings = lines('type=offline,message="a b"', 'sync-level=file', 'a="x\\"y",b=c')
  return [
    lenient(
      textTarget('section config', readFolder('config', /\.cfg$/), (text) => {
        // Whatever a file says survives being read and written.
        const again = formatSectionConfig(parseSectionConfig(text))
        expect(formatSectionConfig(parseSectionConfig(again)) === again, 'a form that stays')
      }),
    ),
    lenient(textTarget('acl', readFolder('config', /^acl\.cfg$/), (text) => void parseAcl(text))),
    textTarget('property string', strings, (text) => {
      const properties = parsePropertyString(text, 'type')
      for (const value of properties.values()) parseBoolean(value)
    }),
    lenient(
      textTarget('task list', readFolder('tasks', /^(active|archive)$/), (text) => {
        parseIndex(text)
      }),
    ),
  ]
}
