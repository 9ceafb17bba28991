/**
 * @typedef {string | null | undefined} Token
 *
 * @typedef {object} DeliveryOptions
 * @property {string} url Address of the proxy, with its base path if it has one
 * @property {Token | (() => Token | Promise<Token>)} [token] JSON Web Token, or a function that returns one. The
 *   function is called before the first request, and again when the proxy refuses the token or a call takes 30 seconds
 * @property {number} [flushInterval] Longest time that a metric waits, in milliseconds (2000)
 * @property {number} [maxQueue] Most metrics in the queue; the oldest are dropped (10000)
 * @property {(error: Error & { status?: number, text?: string }) => void} [onError] Called with every failed request
 *   and every refused metric
 */
/**
 * Makes a queue, and delivers its lines until it is closed.
 *
 * @param {DeliveryOptions} options
 */
export function deliver({ url, token, flushInterval, maxQueue, onError }: DeliveryOptions): {
    _attempt: <T>(work: () => T) => T | undefined;
    flush: () => Promise<void>;
    dropped: () => number;
    /**
     * Queues a line; an empty one is a metric that sampling has dropped.
     *
     * @param {string} line
     */
    _push(line: string): void;
    close(): Promise<void>;
};
export function listen(listeners: Record<string, (event: any) => void>, action?: "add" | "remove"): () => void;
export type Token = string | null | undefined;
export type DeliveryOptions = {
    /**
     * Address of the proxy, with its base path if it has one
     */
    url: string;
    /**
     * JSON Web Token, or a function that returns one. The
     * function is called before the first request, and again when the proxy refuses the token or a call takes 30 seconds
     */
    token?: Token | (() => Token | Promise<Token>);
    /**
     * Longest time that a metric waits, in milliseconds (2000)
     */
    flushInterval?: number | undefined;
    /**
     * Most metrics in the queue; the oldest are dropped (10000)
     */
    maxQueue?: number | undefined;
    /**
     * Called with every failed request
     * and every refused metric
     */
    onError?: ((error: Error & {
        status?: number;
        text?: string;
    }) => void) | undefined;
};
