// The queue of lines and its delivery to the proxy.
//
// Globals such as `fetch` are read at each use, so a page can replace them. The state of a delivery is the variables of
// one function, not the fields of a class: a minifier shortens variables, but `this.` stays. As a class, with its
// property names shortened too, the script had 112 bytes more, gzipped.

/** Largest body, in bytes. All beacons and keepalive requests of a page share 64 KiB. */
const MAX_BODY = 60_000;
/** Smallest body, in bytes, that is tried as a beacon once the browser has refused larger ones. */
const MIN_BEACON = 100;
/** Queued metrics that are sent at once, before `flushInterval` is over. */
const FULL_QUEUE = 500;
/** Metrics that the queue holds at most, unless `maxQueue` is a number. */
const DEFAULT_MAX_QUEUE = 10_000;
/** Consecutive failures after which a batch is dropped: two to four minutes, or five to ten if others failed before. */
const ATTEMPTS = 10;
/** First and longest backoff, in milliseconds. */
const MIN_BACKOFF = 1_000;
const MAX_BACKOFF = 60_000;
/** Longest wait for an answer, its body or a token, in milliseconds. One that hangs would block all later requests. */
const TIMEOUT = 30_000;

/** Size of a text in UTF-8, or slightly more if it has emoji. Some engines have no TextEncoder. */
const byteLength = (/** @type {string} */ text) =>
  text.replace(/[\u0800-\uffff]/g, '$&x').replace(/[\x80-\uffff]/g, 'xx').length;

/** Milliseconds until the next attempt. Half of them are random, so that pages do not return all at once. */
const backoff = (/** @type {number} */ failures) =>
  Math.min(MIN_BACKOFF * 2 ** failures, MAX_BACKOFF) * (0.5 + Math.random() / 2);

const isUnauthorized = (/** @type {number} */ status) => status == 401 || status == 403;

const isTemporary = (/** @type {number} */ status) => status > 499 || status == 408 || status == 429;

/** Time before which the proxy wants no request. `Retry-After` has seconds or a date; if it is missing, it is null. */
const retryTime = (/** @type {any} */ retryAfter) => Date.now() + retryAfter * 1_000 || Date.parse(retryAfter) || 0;

/**
 * Settles as `work` does, or rejects after `TIMEOUT`. No abort signal ends a request that the back/forward cache has
 * frozen, nor a call for a token.
 *
 * @template T
 * @param {T | Promise<T>} work
 * @returns {Promise<T>}
 */
const withTimeout = (work) => {
  /** @type {any} */
  let timer;
  /** @type {Promise<never>} */
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('Timed out')), TIMEOUT);
  });
  return Promise.race([work, timeout]).finally(() => clearTimeout(timer));
};

/**
 * Adds listeners to the page, if there is one, and returns a function that removes them. They listen while events
 * bubble: other listeners have then counted what they count when the page is hidden, and the beacon includes it.
 *
 * @param {Record<string, (event: any) => void>} listeners
 * @param {'add' | 'remove'} [action]
 * @returns {() => void}
 */
export const listen = (listeners, action = 'add') => {
  for (const type in listeners) {
    globalThis[`${action}EventListener`]?.(type, listeners[type]);
  }
  return () => {
    listen(listeners, 'remove');
  };
};

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
export function deliver({ url, token, flushInterval = 2_000, maxQueue, onError }) {
  const target = `${url ?? ''}`.replace(/\/*$/, '/batch');
  const isRenewable = typeof token == 'function';
  // Infinity and NaN would be no bound.
  const limit = /** @type {number} */ (Number.isFinite(maxQueue) ? maxQueue : DEFAULT_MAX_QUEUE);

  /** @type {string[]} */
  const queue = [];
  /** Lines of the queue to send now. A line that comes while a request is in flight waits for its own interval. */
  let due = 0;
  /** Lines lost so far. */
  let dropped = 0;

  let jwt = isRenewable ? null : token;
  /** The token was renewed for the current batch. */
  let renewed = false;

  /** Consecutive failures. */
  let failures = 0;
  /** A backoff runs. It ends with its timer: compared with a clock, a timer that the browser rounds down is early. */
  let backingOff = false;
  /** Time before which the proxy has asked for no request. */
  let notBefore = 0;

  /** @type {any} */
  let timer;
  /**
   * The current run of `drain`. A page that is restored starts another one: the old one may never go on.
   *
   * @type {Promise<void> | null}
   */
  let running = null;
  /** Bytes of the keepalive request in flight. */
  let keepaliveBytes = 0;
  /** 1 once closed, and 2 once `onError` was told about a later metric. */
  let closed = 0;

  // --- Errors --------------------------------------------------------------------------------------------------------

  const report = (/** @type {any} */ error) => {
    // `onError` may call the client, and cause errors without end. It does not hear of those.
    const callback = onError;
    onError = undefined;
    // An async function turns what `onError` throws into a rejection.
    (async () => callback?.(error))().catch(() => {});
    onError = callback;
  };

  /**
   * Runs `work`, and reports what it throws: bad arguments and getters of the page must not throw into it.
   *
   * @template T
   * @param {() => T} work
   */
  const attempt = (work) => {
    try {
      return work();
    } catch (error) {
      report(error);
    }
  };

  // --- Queue ---------------------------------------------------------------------------------------------------------

  /** Drops the oldest lines that are over the limit. */
  const trim = () => {
    // `splice` takes a negative number for none.
    dropped += queue.splice(0, queue.length - limit).length;
  };

  /** Removes the oldest lines that fit in a body. */
  const take = (/** @type {number} */ maxBytes) => {
    let count = 0;
    while (count < queue.length && (maxBytes -= byteLength(queue[count]) + 1) >= 0) {
      count++;
    }
    return queue.splice(0, count);
  };

  const putBack = (/** @type {string[]} */ lines) => {
    queue.unshift(...lines);
    due += lines.length;
    trim();
  };

  // --- Timer ---------------------------------------------------------------------------------------------------------

  /** Ends the timer and the backoff, and sends the queue. */
  const wake = () => {
    clearTimeout(timer);
    timer = 0;
    backingOff = false;
    return flush();
  };

  /** Sends the queue after `delay` milliseconds, or when a timer that runs already ends. */
  const schedule = (/** @type {number} */ delay) => {
    if (!timer && !closed) {
      timer = setTimeout(wake, delay);
      // A Node process does not wait for it.
      timer.unref?.();
    }
  };

  // --- Requests ------------------------------------------------------------------------------------------------------

  const canSend = () => queue.length && Date.now() >= notBefore && globalThis.navigator?.onLine !== false;

  /** Queues the lines of a failed request again, or drops them after too many failures, and starts a backoff. */
  const retry = (/** @type {string[]} */ lines) => {
    clearTimeout(timer);
    timer = 0;
    schedule(Math.max(0, notBefore - Date.now()) + backoff(failures));
    backingOff = true;
    // By the next attempt, the token may have expired again.
    renewed = false;
    // A dropped batch does not reset the count: the proxy is still down for the next one.
    if (++failures % ATTEMPTS) {
      putBack(lines);
    } else {
      dropped += lines.length;
    }
  };

  /**
   * Handles an answer.
   *
   * @param {string[]} lines
   * @param {Response} response
   * @param {string} text
   */
  const conclude = (lines, { status, ok, headers }, text) => {
    renewed = isRenewable && isUnauthorized(status) && !renewed;
    if (renewed) {
      jwt = null;
      putBack(lines);
      return;
    }
    // The answer to a batch that is accepted in part lists the lines that are not.
    if (!ok || text.includes('"error"')) {
      report(Object.assign(new Error(status + ' ' + text), { status, text }));
    }
    if (isTemporary(status)) {
      notBefore = retryTime(headers.get('Retry-After'));
      retry(lines);
    } else {
      failures = 0;
      dropped += ok ? 0 : lines.length;
    }
  };

  const post = async (/** @type {string[]} */ lines, /** @type {boolean} */ keepalive) => {
    const body = lines.join('\n');
    keepaliveBytes = keepalive ? byteLength(body) : 0;
    const response = await withTimeout(
      fetch(target, {
        method: 'POST',
        body,
        keepalive,
        // This header takes a preflight, whose answer browsers cache. A text body is text/plain, which takes none.
        headers: jwt ? { 'X-JWT-Token': jwt } : {},
        // Closes the connection of a request that hangs. Safari before 16 has no such signal.
        signal: globalThis.AbortSignal?.timeout?.(TIMEOUT),
      }),
    );
    conclude(lines, response, await withTimeout(response.text()).catch(() => ''));
  };

  const sendBatch = async () => {
    const mine = running;
    // A keepalive request survives its page. It fails if other requests have used up the 64 KiB, so a repeated request
    // is an ordinary one.
    const keepalive = !failures;
    /** @type {string[]} */
    let lines = [];
    try {
      if (isRenewable) {
        jwt ??= await withTimeout(token());
      }
      // Otherwise the page was restored meanwhile, and another drain sends the lines.
      if (mine == running) {
        lines = take(MAX_BODY);
        due -= lines.length;
        await post(lines, keepalive);
      }
    } catch (error) {
      // A keepalive request from before a restoration has arrived, and only its answer is lost. A TypeError says that
      // the network failed.
      if (mine == running || !keepalive || error instanceof TypeError) {
        report(error);
        retry(lines);
      }
    }
    keepaliveBytes = 0;
  };

  /** Sends the lines that are due, one batch after the other. */
  const drain = async () => {
    // Sets `running` before any function of the page is called, which may flush too.
    await 0;
    const mine = running;
    while (mine == running && due > 0 && canSend() && !backingOff) {
      await sendBatch();
    }
    if (mine == running) {
      running = null;
      if (queue.length) {
        // The network may return without an event.
        schedule(MAX_BACKOFF);
      }
    }
  };

  const flush = () => {
    due = queue.length;
    return (running ??= drain());
  };

  // --- Page ----------------------------------------------------------------------------------------------------------

  /** Hands lines to the browser, and returns true if it takes them. */
  const sendBeacon = (/** @type {string[]} */ lines) => {
    try {
      return (
        lines[0] &&
        navigator.sendBeacon(target + (jwt ? '?token=' + encodeURIComponent(jwt) : ''), lines.join('\n'))
      );
    } catch {}
  };

  /** Sends the queue by beacons: the page may end now, so no answer can be awaited and no preflight completed. */
  const leave = () => {
    let maxBytes = MAX_BODY - keepaliveBytes;
    // Without its token a beacon would be lost.
    while (maxBytes >= MIN_BEACON && canSend() && (jwt || !isRenewable)) {
      const lines = take(maxBytes);
      if (!sendBeacon(lines)) {
        // Other senders of the page may have used up part of the 64 KiB.
        putBack(lines);
        maxBytes /= 2;
      }
    }
    flush();
  };

  const unlisten = listen({
    pagehide: leave,
    visibilitychange() {
      if (globalThis.document?.visibilityState == 'hidden') {
        leave();
      }
    },
    online() {
      // Otherwise the timer goes on to the time that the proxy has asked for.
      if (Date.now() >= notBefore) {
        wake();
      }
    },
    pageshow({ persisted }) {
      if (persisted) {
        // The answer or the token that `running` waits for may never come.
        running = null;
        wake();
      }
    },
  });

  return {
    _attempt: attempt,
    flush,
    dropped: () => dropped,

    /**
     * Queues a line; an empty one is a metric that sampling has dropped.
     *
     * @param {string} line
     */
    _push(line) {
      if (!line) {
        return;
      }
      if (!closed) {
        queue.push(line);
        trim();
        schedule(flushInterval);
        if (queue.length >= FULL_QUEUE) {
          flush();
        }
      } else if (closed++ < 2) {
        // Thrown once, so `onError` is called once.
        throw new Error('Closed');
      }
    },

    close() {
      closed = closed || 1;
      unlisten();
      return wake();
    },
  };
}
