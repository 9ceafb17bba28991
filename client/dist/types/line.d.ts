/**
 * Writes a plain decimal. JavaScript writes an exponent from 1e21 up and from 1e-7 down, which StatsD daemons do not
 * read.
 *
 * @param {unknown} value
 * @param {number} [places] Most decimals that are kept; 0 keeps all
 */
export function decimal(value: unknown, places?: number): string;
/**
 * Writes tags as the end of a line, and replaces the ASCII characters that the proxy would replace. The proxy does the
 * same to other characters, which takes a pattern with `\p`: Hermes, the engine of React Native, cannot read one.
 *
 * @param {Record<string, unknown>} tags
 */
export function tagged(tags: Record<string, unknown>): string;
/**
 * Writes the lines of a metric, or an empty text if sampling drops it. A negative gauge takes two lines, since a sign
 * would make it a shift.
 *
 * @param {string} name
 * @param {'c' | 'g' | 'ms' | 's'} type
 * @param {unknown} value
 * @param {string} tags
 * @param {number} [rate]
 * @param {unknown} [shift]
 */
export function lines(name: string, type: "c" | "g" | "ms" | "s", value: unknown, tags: string, rate?: number, shift?: unknown): string;
export function clean(text: unknown): string;
