import { deliver, listen } from './delivery.js';
import { lines, tagged } from './line.js';

/**
 * @typedef {import('./delivery.js').DeliveryOptions & ChildOptions & { sampleRate?: number }} Options
 *   `sampleRate` applies to counts and timings that are called without one (1)
 *
 * @typedef {object} ChildOptions
 * @property {string} [prefix] Start of every name, with or without its final dot
 * @property {Record<string, string | number | boolean | null | undefined>} [tags] Tags of every metric
 *
 * @typedef {(report: (metric: { name: string, value: number }) => void) => void} Measure
 *
 * @typedef {object} WebVitals The functions of the package web-vitals that are called
 * @property {Measure} [onLCP]
 * @property {Measure} [onINP]
 * @property {Measure} [onCLS]
 * @property {Measure} [onFCP]
 * @property {Measure} [onTTFB]
 */

/** Key of a client's state. A Proxy, such as Vue makes, has no access to a private field. */
const STATE = Symbol();

/** Queues metrics, and delivers them to a statsd-http-proxy. No method throws: errors go to `onError`. */
export class Client {
  /**
   * @param {string | URL | Options} host Address of the proxy, or an object of all options
   * @param {Options['token']} [token]
   */
  constructor(host, token) {
    // A URL is an object too.
    /** @type {any} */
    const options = /** @type {any} */ (host)?.href || Object(host) !== host ? { url: host, token } : host;
    const parent = options[STATE] ?? { ...deliver(options), prefix: '', sampleRate: options.sampleRate };
    const { _attempt: attempt, _push: push, sampleRate } = parent;
    // Ends with exactly one dot, or is empty.
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
    // A bound method works without its client, as in `const { count } = client`. The first key is the constructor, and
    // the last is `dropped`, a getter.
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
   * Sends a time.
   *
   * @param {string} name
   * @param {number} time Milliseconds; three decimals are sent
   * @param {number} [sampleRate] Share of the calls that is sent, 0 to 1
   */
  timing(name, time, sampleRate) {
    this[STATE].send('ms', name, time, sampleRate);
  }

  /**
   * Adds a member to a set. StatsD counts its distinct members.
   *
   * @param {string} name
   * @param {string | number} value
   */
  set(name, value) {
    this[STATE].send('s', name, value, 1);
  }

  /**
   * Starts a timer.
   *
   * @param {string} name
   * @returns {() => number} Sends the time since the start, and returns it in milliseconds
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
   * Measures how long a function or a promise takes, and returns its result or throws its error.
   *
   * @template T
   * @param {string} name
   * @param {T | (() => T)} work
   * @returns {T} A promise if the work is a promise or a thenable
   */
  time(name, work) {
    const stop = this.timer(name);
    /** @type {any} */
    let result;
    /** @type {any} */
    let promise;
    try {
      // @ts-ignore: if T is a function type, the value is a function to call
      result = typeof work == 'function' ? work() : work;
      promise = this[STATE]._attempt(
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
   * Makes a client with a further prefix and more tags, which shares the queue and the delivery of this one.
   *
   * @param {ChildOptions} [options] If reading them throws, the result is this client
   * @returns {Client}
   */
  child(options) {
    const state = this[STATE];
    return state._attempt(() => new Client(/** @type {any} */ ({ ...options, [STATE]: state }))) ?? this;
  }

  /**
   * Sends the Web Vitals of the page as the timings `web_vitals.lcp`, `.inp`, `.cls`, `.fcp` and `.ttfb`. CLS, which is
   * not a time, is sent in thousandths.
   *
   * @param {WebVitals} [module] The package web-vitals. A script tag makes it the global `webVitals`, the default
   */
  webVitals(module) {
    const { _attempt: attempt } = this[STATE];
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
   * @returns {() => void} Stops the counting
   */
  errors() {
    return listen({
      error: () => this.count('errors.uncaught'),
      unhandledrejection: () => this.count('errors.unhandled_rejection'),
    });
  }

  /** Sends the queue now. The promise settles after the last attempt that is possible now, and never rejects. */
  flush() {
    return this[STATE].flush();
  }

  /**
   * Sends the queue, and refuses later metrics, of children too. If the queue could not be sent, a second call tries
   * again.
   */
  close() {
    return this[STATE].close();
  }

  /** Metrics that were lost: the queue was full, or their batch was refused, or it failed too often. */
  get dropped() {
    return this[STATE].dropped();
  }
}
