/**
 * @typedef {string | null | undefined} Token
 *
 * @typedef {object} DeliveryOptions
 * @property {string} url Where the proxy is, with its base path if it has one
 * @property {Token | (() => Token | Promise<Token>)} [token] JSON Web Token, or a function that gets one; it is called
 *   first before the first request, and again when the proxy refuses the token or 30 seconds have passed without one
 * @property {number} [flushInterval] Longest time for which a metric waits, in milliseconds (2000)
 * @property {number} [maxQueue] Metrics that are kept at most; the oldest are dropped (10000)
 * @property {(error: Error & { status?: number, text?: string }) => void} [onError] Is told of what was refused, and of
 *   every failed request
 */
/** @param {DeliveryOptions} options */
export function deliver({ url, token, flushInterval, maxQueue, onError }: DeliveryOptions): {
    attempt: <T>(work: () => T) => T | undefined;
    flush: () => Promise<void>;
    dropped: () => number;
    /** @param {string} line */
    push(line: string): void;
    close(): Promise<void>;
};
export function listen(listeners: Record<string, (event: any) => void>, action?: "add" | "remove"): () => void;
export type Token = string | null | undefined;
export type DeliveryOptions = {
    /**
     * Where the proxy is, with its base path if it has one
     */
    url: string;
    /**
     * JSON Web Token, or a function that gets one; it is called
     * first before the first request, and again when the proxy refuses the token or 30 seconds have passed without one
     */
    token?: Token | (() => Token | Promise<Token>);
    /**
     * Longest time for which a metric waits, in milliseconds (2000)
     */
    flushInterval?: number | undefined;
    /**
     * Metrics that are kept at most; the oldest are dropped (10000)
     */
    maxQueue?: number | undefined;
    /**
     * Is told of what was refused, and of
     * every failed request
     */
    onError?: ((error: Error & {
        status?: number;
        text?: string;
    }) => void) | undefined;
};
