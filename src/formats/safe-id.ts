/** The pattern most names obey (formats.md 0, rest-api.md 1.6). */

export const SAFE_ID = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/

/** The pattern's source without anchors, to build other patterns from. */
export const SAFE_ID_SOURCE = '[A-Za-z0-9_][A-Za-z0-9._-]*'
