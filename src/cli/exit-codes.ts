/** The two exit codes there are (spec cli 1.2): scripts rely on nothing but zero and not zero. */

/** Done. */
export const EXIT_OK = 0
/** Wrong usage or a failed command; stock ends with -1. */
export const EXIT_FAILED = 255
