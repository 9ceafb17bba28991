/** Queues metrics, and delivers them to a statsd-http-proxy. No method throws: errors go to `onError`. */
export class Client {
    /**
     * @param {string | URL | Options} host Address of the proxy, or an object of all options
     * @param {Options['token']} [token]
     */
    constructor(host: string | URL | Options, token?: Options["token"]);
    /**
     * Adds to a counter.
     *
     * @param {string} name
     * @param {number} [value]
     * @param {number} [sampleRate] Share of the calls that is sent, 0 to 1
     */
    count(name: string, value?: number, sampleRate?: number): void;
    /**
     * Sets a gauge, or moves it by `shift`.
     *
     * @param {string} name
     * @param {number | null} [value]
     * @param {number | null} [shift] Wins over the value
     */
    gauge(name: string, value?: number | null, shift?: number | null): void;
    /**
     * Sends a time.
     *
     * @param {string} name
     * @param {number} time Milliseconds; three decimals are sent
     * @param {number} [sampleRate] Share of the calls that is sent, 0 to 1
     */
    timing(name: string, time: number, sampleRate?: number): void;
    /**
     * Adds a member to a set. StatsD counts its distinct members.
     *
     * @param {string} name
     * @param {string | number} value
     */
    set(name: string, value: string | number): void;
    /**
     * Starts a timer.
     *
     * @param {string} name
     * @returns {() => number} Sends the time since the start, and returns it in milliseconds
     */
    timer(name: string): () => number;
    /**
     * Measures how long a function or a promise takes, and returns its result or throws its error.
     *
     * @template T
     * @param {string} name
     * @param {T | (() => T)} work
     * @returns {T} A promise if the work is a promise or a thenable
     */
    time<T>(name: string, work: T | (() => T)): T;
    /**
     * Makes a client with a further prefix and more tags, which shares the queue and the delivery of this one.
     *
     * @param {ChildOptions} [options] If reading them throws, the result is this client
     * @returns {Client}
     */
    child(options?: ChildOptions): Client;
    /**
     * Sends the Web Vitals of the page as the timings `web_vitals.lcp`, `.inp`, `.cls`, `.fcp` and `.ttfb`. CLS, which is
     * not a time, is sent in thousandths.
     *
     * @param {WebVitals} [module] The package web-vitals. A script tag makes it the global `webVitals`, the default
     */
    webVitals(module?: WebVitals): void;
    /**
     * Counts uncaught errors as `errors.uncaught`, and unhandled rejections as `errors.unhandled_rejection`.
     *
     * @returns {() => void} Stops the counting
     */
    errors(): () => void;
    /** Sends the queue now. The promise settles after the last attempt that is possible now, and never rejects. */
    flush(): any;
    /**
     * Sends the queue, and refuses later metrics, of children too. If the queue could not be sent, a second call tries
     * again.
     */
    close(): any;
    /** Metrics that were lost: the queue was full, or their batch was refused, or it failed too often. */
    get dropped(): any;
    /** @private */
    private [STATE];
}
/**
 * `sampleRate` applies to counts and timings that are called without one (1)
 */
export type Options = import("./delivery.js").DeliveryOptions & ChildOptions & {
    sampleRate?: number;
};
export type ChildOptions = {
    /**
     * Start of every name, with or without its final dot
     */
    prefix?: string | undefined;
    /**
     * Tags of every metric
     */
    tags?: Record<string, string | number | boolean | null | undefined> | undefined;
};
export type Measure = (report: (metric: {
    name: string;
    value: number;
}) => void) => void;
/**
 * The functions of the package web-vitals that are called
 */
export type WebVitals = {
    onLCP?: Measure | undefined;
    onINP?: Measure | undefined;
    onCLS?: Measure | undefined;
    onFCP?: Measure | undefined;
    onTTFB?: Measure | undefined;
};
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
declare const STATE: unique symbol;
export {};
