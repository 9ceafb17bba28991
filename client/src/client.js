import { deliver, listen } from './delivery.js';
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

/** Where a client keeps what is its own. A private field could not be reached through a Proxy, as Vue makes one. */
const STATE = Symbol();

/** Takes metrics, and delivers them to a statsd-http-proxy. Nothing here throws: see `onError`. */
export class Client {
  /**
   * @param {string | URL | Options} host Where the proxy is, or all options
   * @param {Options['token']} [token]
   */
  constructor(host, token) {
    // A URL is an object too.
    /** @type {any} */
    const options = /** @type {any} */ (host)?.href || Object(host) !== host ? { url: host, token } : host;
    const parent = options[STATE] ?? { ...deliver(options), prefix: '', sampleRate: options.sampleRate };
    const { attempt, push, sampleRate } = parent;
    // With one dot at its end.
    const prefix = (parent.prefix + (options.prefix || '')).replace(/([^.])\.*$/, '$1.');
    const tags = { ...parent.tags, ...options.tags };
    const end = tagged(tags);
    /** @private */
    this[STATE] = {
      ...parent,
      prefix,
      tags,
      /**
       * @param {'c' | 'g' | 'ms' | 's'} type
       * @param {string} name
       * @param {unknown} value
       * @param {number} [rate]
       * @param {number | null} [shift]
       */
      send(type, name, value, rate = sampleRate, shift) {
        attempt(() => push(lines(prefix + name, type, value, end, rate, shift)));
      },
    };
    // So that a method works without its client, as in `const { count } = client`. The constructor comes first, and
    // `dropped`, which is no method, last.
    for (const name of Reflect.ownKeys(Client.prototype).slice(1, -1)) {
      /** @type {any} */ (this)[name] = /** @type {any} */ (this)[name].bind(this);
    }
  }

  /**
   * Adds to a counter.
   *
   * @param {string} name
   * @param {number} [value]
   * @param {number} [sampleRate] Share of the calls that is sent, 0 to 1
   */
  count(name, value = 1, sampleRate) {
    this[STATE].send('c', name, value, sampleRate);
  }

  /**
   * Sets a gauge, or moves it by `shift`.
   *
   * @param {string} name
   * @param {number | null} [value]
   * @param {number | null} [shift] Wins over the value
   */
  gauge(name, value, shift) {
    this[STATE].send('g', name, value, 1, shift);
  }

  /**
   * Measures a time.
   *
   * @param {string} name
   * @param {number} time Milliseconds, of which three decimals are sent
   * @param {number} [sampleRate] Share of the calls that is sent, 0 to 1
   */
  timing(name, time, sampleRate) {
    this[STATE].send('ms', name, time, sampleRate);
  }

  /**
   * Adds a member to a set, of which StatsD counts the different ones.
   *
   * @param {string} name
   * @param {string | number} value
   */
  set(name, value) {
    this[STATE].send('s', name, value, 1);
  }

  /**
   * Starts a time.
   *
   * @param {string} name
   * @returns {() => number} Sends the time and returns its milliseconds
   */
  timer(name) {
    const clock = globalThis.performance ?? Date;
    const start = clock.now();
    return () => {
      const time = +(clock.now() - start).toFixed(3);
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
    /** @type {any} */
    let promise;
    try {
      // @ts-ignore: a T that is a function itself is one to call
      result = typeof work == 'function' ? work() : work;
      promise = this[STATE].attempt(
        () => typeof result?.then == 'function' && Promise.resolve(result).finally(stop),
      );
    } finally {
      if (!promise) {
        stop();
      }
    }
    return promise || result;
  }

  /**
   * A client with a prefix and tags of its own, which shares queue and delivery with this one.
   *
   * @param {ChildOptions} [options] If they cannot be read, this client is returned
   * @returns {Client}
   */
  child(options) {
    const state = this[STATE];
    return state.attempt(() => new Client(/** @type {any} */ ({ ...options, [STATE]: state }))) ?? this;
  }

  /**
   * Sends the Web Vitals of the page as timings `web_vitals.lcp` and so on. CLS, which is no time, is sent in
   * thousandths.
   *
   * @param {WebVitals} [module] The package web-vitals; from a script tag it is the global `webVitals`
   */
  webVitals(module) {
    const { attempt } = this[STATE];
    for (const name of ['LCP', 'INP', 'CLS', 'FCP', 'TTFB']) {
      attempt(() =>
        (module ?? /** @type {any} */ (globalThis).webVitals)?.['on' + name]?.((/** @type {any} */ metric) =>
          attempt(() =>
            this.timing('web_vitals.' + name.toLowerCase(), metric.value * (name == 'CLS' ? 1_000 : 1)),
          ),
        ),
      );
    }
  }

  /**
   * Counts uncaught errors as `errors.uncaught`, and unhandled rejections as `errors.unhandled_rejection`.
   *
   * @returns {() => void} Stops it
   */
  errors() {
    return listen({
      error: () => this.count('errors.uncaught'),
      unhandledrejection: () => this.count('errors.unhandled_rejection'),
    });
  }

  /** Sends what is queued now. Settles when it has left, or could not; never rejects. */
  flush() {
    return this[STATE].flush();
  }

  /** Sends what is queued, and stops: later metrics are not taken. Children are closed too. */
  close() {
    return this[STATE].close();
  }

  /** Metrics that were lost, because the queue was full or because they were refused or failed too often. */
  get dropped() {
    return this[STATE].dropped();
  }
}
