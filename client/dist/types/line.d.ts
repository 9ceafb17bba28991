/**
 * A plain decimal: StatsD daemons read no exponents, which JavaScript writes from 1e21 up and 1e-7 down.
 *
 * @param {unknown} value
 * @param {number} [places] At most so many decimals
 */
export function decimal(value: unknown, places?: number): string;
/**
 * The tags as the end of a line, with what could break it replaced as the proxy would. Beyond ASCII the proxy alone
 * tells letters from signs: Hermes, the engine of React Native, cannot read a pattern with `\p`.
 *
 * @param {Record<string, unknown>} tags
 */
export function tagged(tags: Record<string, unknown>): string;
/**
 * The lines of a metric, or none when it is not drawn. A negative gauge takes two, since a sign makes it a shift.
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
