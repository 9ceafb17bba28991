/** Takes metrics, and delivers them to a statsd-http-proxy. Nothing here throws: see `onError`. */
export class Client {
    /**
     * @param {string | URL | Options} host Where the proxy is, or all options
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
     * Measures a time.
     *
     * @param {string} name
     * @param {number} time Milliseconds, of which three decimals are sent
     * @param {number} [sampleRate] Share of the calls that is sent, 0 to 1
     */
    timing(name: string, time: number, sampleRate?: number): void;
    /**
     * Adds a member to a set, of which StatsD counts the different ones.
     *
     * @param {string} name
     * @param {string | number} value
     */
    set(name: string, value: string | number): void;
    /**
     * Starts a time.
     *
     * @param {string} name
     * @returns {() => number} Sends the time and returns its milliseconds
     */
    timer(name: string): () => number;
    /**
     * Measures how long a function or promise takes. Its result is returned, also when that is an error.
     *
     * @template T
     * @param {string} name
     * @param {T | (() => T)} work
     * @returns {T} For a promise or a thenable a promise
     */
    time<T>(name: string, work: T | (() => T)): T;
    /**
     * A client with a prefix and tags of its own, which shares queue and delivery with this one.
     *
     * @param {ChildOptions} [options] If they cannot be read, this client is returned
     * @returns {Client}
     */
    child(options?: ChildOptions): Client;
    /**
     * Sends the Web Vitals of the page as timings `web_vitals.lcp` and so on. CLS, which is no time, is sent in
     * thousandths.
     *
     * @param {WebVitals} [module] The package web-vitals; from a script tag it is the global `webVitals`
     */
    webVitals(module?: WebVitals): void;
    /**
     * Counts uncaught errors as `errors.uncaught`, and unhandled rejections as `errors.unhandled_rejection`.
     *
     * @returns {() => void} Stops it
     */
    errors(): () => void;
    /** Sends what is queued now. Settles when it has left, or could not; never rejects. */
    flush(): any;
    /** Sends what is queued, and stops: later metrics are not taken. Children are closed too. */
    close(): any;
    /** Metrics that were lost, because the queue was full or because they were refused or failed too often. */
    get dropped(): any;
    /** @private */
    private [STATE];
}
/**
 * `sampleRate` is that of counts and timings that have none of their own (1)
 */
export type Options = import("./delivery.js").DeliveryOptions & ChildOptions & {
    sampleRate?: number;
};
export type ChildOptions = {
    /**
     * Put before every name, with or without its final dot
     */
    prefix?: string | undefined;
    /**
     * On every metric
     */
    tags?: Record<string, string | number | boolean | null | undefined> | undefined;
};
export type Measure = (report: (metric: {
    name: string;
    value: number;
}) => void) => void;
/**
 * What is used of the package web-vitals
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
declare const STATE: unique symbol;
export {};
