/** Which Kong we answer as, and which Silverback we are. */

/** The Kong version that clients see: the last open-source line, whose Admin API and files we are compatible with. */
export const KONG_VERSION = '3.9.1'

/** Our own version; kept equal to package.json by a test. */
export const SILVERBACK_VERSION = '0.1.0'
