import { deliver } from './delivery.js';
import { lines, tagged } from './line.js';

/**
 * @typedef {import('./delivery.js').DeliveryOptions & ChildOptions & { sampleRate?: number }} Options
 *   `sampleRate` is that of counts and timings that have none of their own (1)
 *
 * @typedef {object} ChildOptions
 * @property {string} [prefix] Put before every name, with or without its final dot
 * @property {Record<string, string | number | boolean | null | undefined>} [tags] On every metric
 *
 * @typedef {(report: (metric: { name: string, value: number }) => void) => void} Measure
 *
 * @typedef {object} WebVitals What is used of the package web-vitals
 * @property {Measure} [onLCP]
 * @property {Measure} [onINP]
 * @property {Measure} [onCLS]
 * @property {Measure} [onFCP]
 * @property {Measure} [onTTFB]
 */

/** Takes metrics, and delivers them to a statsd-http-proxy. Nothing here throws: see `onError`. */
export class Client {
  /** @type {ReturnType<typeof deliver>} */
  #delivery;
  #prefix;
  #tags;
  #end;
  #rate;

  /**
   * @param {string | URL | Options} host Where the proxy is, or all options
   * @param {Options['token']} [token]
   */
  constructor(host, token) {
    /** @type {any} */
    const given = host;
    // A URL is an object too.
    const options = given?.href || Object(given) !== given ? { url: given, token } : given;
    const { delivery, prefix, tags, sampleRate } = options;
    this.#delivery = delivery ?? deliver(options);
    this.#prefix = prefix ? String(prefix).replace(/\.*$/, '.') : '';
    this.#tags = tags;
    this.#end = tagged(tags ?? {});
    this.#rate = sampleRate;
  }

  /**
   * @param {string} name
   * @param {'c' | 'g' | 'ms' | 's'} type
   * @param {unknown} value
   * @param {number} [rate]
   * @param {number | null} [shift]
   */
  #send(name, type, value, rate, shift) {
    try {
      this.#delivery.push(lines(this.#prefix + name, type, value, this.#end, rate, shift));
    } catch (error) {
      this.#delivery.report(error);
    }
  }

  /**
   * Adds to a counter.
   *
   * @param {string} name
   * @param {number} [value]
   * @param {number} [sampleRate] Share of the calls that is sent, 0 to 1
   */
  count(name, value = 1, sampleRate = this.#rate) {
    this.#send(name, 'c', value, sampleRate);
  }

  /**
   * Sets a gauge, or moves it by `shift`.
   *
   * @param {string} name
   * @param {number | null} [value]
   * @param {number | null} [shift] Wins over the value
   */
  gauge(name, value, shift) {
    this.#send(name, 'g', value, 1, shift);
  }

  /**
   * Measures a time.
   *
   * @param {string} name
   * @param {number} time Milliseconds
   * @param {number} [sampleRate] Share of the calls that is sent, 0 to 1
   */
  timing(name, time, sampleRate = this.#rate) {
    this.#send(name, 'ms', time, sampleRate);
  }

  /**
   * Adds a member to a set, of which StatsD counts the different ones.
   *
   * @param {string} name
   * @param {string | number} value
   */
  set(name, value) {
    this.#send(name, 's', value);
  }

  /**
   * Starts a time.
   *
   * @param {string} name
   * @returns {() => number} Sends the time and returns its milliseconds
   */
  timer(name) {
    const start = performance.now();
    return () => {
      const time = +(performance.now() - start).toFixed(3);
      this.timing(name, time);
      return time;
    };
  }

  /**
   * Measures how long a function or promise takes. Its result is returned, also when that is an error.
   *
   * @template T
   * @param {string} name
   * @param {T | (() => T)} work
   * @returns {T} For a promise or a thenable a promise
   */
  time(name, work) {
    const stop = this.timer(name);
    /** @type {any} */
    let result;
    try {
      // @ts-ignore: a T that is a function itself is one to call
      result = typeof work == 'function' ? work() : work;
    } finally {
      if (!result?.then) {
        stop();
      }
    }
    return result?.then ? /** @type {any} */ (Promise.resolve(result).finally(stop)) : result;
  }

  /**
   * A client with a prefix and tags of its own, which shares queue and delivery with this one.
   *
   * @param {ChildOptions} [options]
   * @returns {Client}
   */
  child(options) {
    const { prefix, tags } = options ?? {};
    /** @type {any} */
    const all = {
      delivery: this.#delivery,
      prefix: this.#prefix + (prefix ?? ''),
      tags: { ...this.#tags, ...tags },
      sampleRate: this.#rate,
    };
    return new Client(all);
  }

  /**
   * Sends the Web Vitals of the page as timings `web_vitals.lcp` and so on. CLS, which is no time, is sent in
   * thousandths.
   *
   * @param {WebVitals} [module] The package web-vitals; from a script tag it is the global `webVitals`
   */
  webVitals(module = /** @type {any} */ (globalThis).webVitals) {
    for (const name of ['LCP', 'INP', 'CLS', 'FCP', 'TTFB']) {
      try {
        /** @type {any} */ (module)?.['on' + name]?.((/** @type {{ value: number }} */ { value }) =>
          this.timing('web_vitals.' + name.toLowerCase(), +(name == 'CLS' ? value * 1_000 : value).toFixed(3)),
        );
      } catch (error) {
        this.#delivery.report(error);
      }
    }
  }

  /**
   * Counts uncaught errors as `errors.uncaught`, and unhandled rejections as `errors.unhandled_rejection`.
   *
   * @returns {() => void} Stops it
   */
  errors() {
    const listening = new AbortController();
    const listen = (/** @type {string} */ type, /** @type {string} */ name) =>
      globalThis.addEventListener?.(type, () => this.count('errors.' + name), listening);
    listen('error', 'uncaught');
    listen('unhandledrejection', 'unhandled_rejection');
    return () => listening.abort();
  }

  /** Sends what is queued now. Settles when it has left, or could not; never rejects. */
  flush() {
    return this.#delivery.flush();
  }

  /** Sends what is queued, and stops: later metrics are not taken. Children are closed too. */
  close() {
    return this.#delivery.close();
  }

  /** Metrics that were lost, because the queue was full or because they were refused or failed too often. */
  get dropped() {
    return this.#delivery.dropped();
  }
}
