/** What the tests of source patches patch. */
export const GROUP: string = 'as written'
