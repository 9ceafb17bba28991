// StatsD lines: `name:value|type[|@rate][|#key:value,…]`.

/** The longest line that the proxy takes. */
const MAX_LINE = 8192;
/** Decimals of a time: microseconds, beyond which no clock of a page counts. */
const PLACES = 3;

/**
 * Text that cannot end its line or be read as another field. A name that begins like JSON would make JSON of its batch.
 *
 * @param {unknown} text
 */
export const clean = (text) => String(text).replace(/^\s*[[{]|[\0-\x1f\x7f-\x9f:|]/g, '_');

/**
 * A plain decimal: StatsD daemons read no exponents, which JavaScript writes from 1e21 up and 1e-7 down.
 *
 * @param {unknown} value
 * @param {number} [places] At most so many decimals
 */
export function decimal(value, places) {
  // An empty text would be zero.
  /** @type {any} */
  const number = typeof value == 'string' && value ? +value : value;
  if (!Number.isFinite(number)) {
    throw new Error('No number');
  }
  const text = String(places ? +number.toFixed(places) : number);
  return text.replace(/(\d)\.?(\d*)e(.+)/, (_, digit, digits, exponent) =>
    exponent < 0 ? '0.'.padEnd(1 - exponent, '0') + digit + digits : digit + digits.padEnd(exponent, '0'),
  );
}

/**
 * The tags as the end of a line, with what could break it replaced as the proxy would. Beyond ASCII the proxy alone
 * tells letters from signs: Hermes, the engine of React Native, cannot read a pattern with `\p`.
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
 * The lines of a metric, or none when it is not drawn. A negative gauge takes two, since a sign makes it a shift.
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
