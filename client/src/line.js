// StatsD lines: `name:value|type[|@rate][|#key:value,…]`.

/** Longest line that the proxy accepts. */
const MAX_LINE = 8192;
/** Decimals of a time: microseconds, the finest resolution of a page's clock. */
const PLACES = 3;

/**
 * Replaces the characters that would end a line or a field. The proxy reads a batch that begins like JSON as JSON, so
 * the first character of a name is replaced too if it is a bracket or a brace.
 *
 * @param {unknown} text
 */
export const clean = (text) => String(text).replace(/^\s*[[{]|[\0-\x1f\x7f-\x9f:|]/g, '_');

/**
 * Writes a plain decimal. JavaScript writes an exponent from 1e21 up and from 1e-7 down, which StatsD daemons do not
 * read.
 *
 * @param {unknown} value
 * @param {number} [places] Most decimals that are kept; 0 keeps all
 */
export function decimal(value, places) {
  // JavaScript would read an empty text as zero.
  /** @type {any} */
  const number = typeof value == 'string' && value ? +value : value;
  if (!Number.isFinite(number)) {
    throw new Error('Not a number');
  }
  const text = String(places ? +number.toFixed(places) : number);
  return text.replace(/(\d)\.?(\d*)e(.+)/, (_, digit, digits, exponent) =>
    exponent < 0 ? '0.'.padEnd(1 - exponent, '0') + digit + digits : digit + digits.padEnd(exponent, '0'),
  );
}

/**
 * Writes tags as the end of a line, and replaces the ASCII characters that the proxy would replace. The proxy does the
 * same to other characters, which takes a pattern with `\p`: Hermes, the engine of React Native, cannot read one.
 *
 * @param {Record<string, unknown>} tags
 */
export function tagged(tags) {
  const tag = (/** @type {unknown} */ text) => String(text).replace(/[^\w./\xa0-\uffff-]/g, '_');
  let end = '';
  for (const key in tags) {
    if (tags[key] != null) {
      end += (end ? ',' : '|#') + tag(key) + ':' + tag(tags[key]);
    }
  }
  return end;
}

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
export function lines(name, type, value, tags, rate, shift) {
  rate ??= 1;
  if (rate < 1 && Math.random() >= rate) {
    return '';
  }
  const number = type == 's' ? clean(value ?? '') : decimal(shift ?? value, type == 'ms' ? PLACES : 0);
  const signed = number[0] == '-';
  const start = clean(name) + ':';
  const end = '|' + type + (rate < 1 ? '|@' + decimal(rate) : '') + tags;
  let line = start + (shift == null || signed ? '' : '+') + number + end;
  if (type == 'g' && shift == null && signed) {
    line = start + 0 + end + '\n' + line;
  }
  if (line.length > MAX_LINE) {
    throw new Error('Too long');
  }
  return line;
}
