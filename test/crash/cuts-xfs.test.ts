/** Many power cuts on xfs; see `cut-test.ts`. */
import { testCuts } from './cut-test.ts'

testCuts('xfs')
