// The queue of lines, and its way to the proxy. Globals are read when they are used, so that they can be replaced.

/** Bytes of a body: all beacons and keepalive requests of a page have 64 KiB in flight together. */
const BUDGET = 60_000;
/** Queued metrics that do not wait for the interval. */
const FULL = 500;
/** Failures in a row after which a batch is dropped: two to four minutes. */
const ATTEMPTS = 10;
/** The shortest and the longest backoff, in milliseconds. */
const BACKOFF = 1_000;
const MAX_BACKOFF = 60_000;
/** A request that hangs would keep all others from leaving. */
const TIMEOUT = 30_000;

/**
 * @typedef {string | null | undefined} Token
 *
 * @typedef {object} DeliveryOptions
 * @property {string} url Where the proxy is, with its base path if it has one
 * @property {Token | (() => Token | Promise<Token>)} [token] JSON Web Token, or a function that gets one; it is called
 *   first before the first request, and again when the proxy refuses the token
 * @property {number} [flushInterval] Longest time for which a metric waits, in milliseconds (2000)
 * @property {number} [maxQueue] Metrics that are kept at most; the oldest are dropped (10000)
 * @property {(error: Error & { status?: number, text?: string }) => void} [onError] Is told of what was refused, and of
 *   every failed request
 */

/** @param {DeliveryOptions} options */
export function deliver({ url, token, flushInterval = 2_000, maxQueue = 10_000, onError }) {
  const target = String(url ?? '').replace(/\/+$/, '') + '/batch';
  const renewable = typeof token == 'function';
  /** @type {string[]} */
  const queue = [];
  let dropped = 0;
  let attempts = 0;
  let flying = 0;
  // Of the queue, what is to leave now: what comes while a request is in flight waits for its own interval.
  let due = 0;
  // No request before these times: `paused` for a backoff, `asked` by the proxy.
  let paused = 0;
  let asked = 0;
  let closed = false;
  /** @type {any} */
  let timer;
  /** @type {Promise<void> | undefined} */
  let running;
  let jwt = renewable ? null : token;

  // Awaited, so that a rejection of an asynchronous `onError` is caught too.
  const report = async (/** @type {any} */ error) => {
    try {
      await onError?.(error);
    } catch {}
  };

  const bytes = (/** @type {string} */ text) => new TextEncoder().encode(text).length;

  const take = (/** @type {number} */ budget) => {
    let count = 0;
    while (count < queue.length && (budget -= bytes(queue[count]) + 1) >= 0) {
      count++;
    }
    return queue.splice(0, count);
  };

  const bound = () => {
    // A negative number is none.
    dropped += queue.splice(0, queue.length - maxQueue).length;
  };

  const putBack = (/** @type {string[]} */ lines) => {
    queue.unshift(...lines);
    due += lines.length;
    bound();
  };

  const schedule = (/** @type {number} */ delay) => {
    if (!timer && !closed) {
      timer = setTimeout(() => {
        // Browsers round: a backoff ends with its timer, not with the clock.
        timer = paused = 0;
        flush();
      }, delay);
      // Node would wait for it.
      timer.unref?.();
    }
  };

  const ready = () => queue.length && Date.now() >= asked && globalThis.navigator?.onLine !== false;

  const drain = async () => {
    let renewed = false;
    // So that `running` is set before anything of the page is called: that may flush, too.
    await 0;
    while (due > 0 && ready() && Date.now() >= paused) {
      /** @type {string[]} */
      let lines = [];
      let again = true;
      let wait = 0;
      try {
        if (renewable) {
          jwt ??= await token();
        }
        lines = take(BUDGET);
        due -= lines.length;
        const body = lines.join('\n');
        flying = attempts ? 0 : bytes(body);
        const response = await fetch(target, {
          method: 'POST',
          body,
          // So it survives the page. When other requests have used up the budget, it fails: then without.
          keepalive: !attempts,
          // A custom header costs a preflight, which the browser may then keep. Text is text/plain by itself.
          headers: jwt ? { 'X-JWT-Token': jwt } : {},
          signal: AbortSignal.timeout(TIMEOUT),
        });
        const { status, ok } = response;
        const text = await response.text().catch(() => '');
        if ((status == 401 || status == 403) && renewable && !renewed) {
          renewed = true;
          jwt = null;
          putBack(lines);
          continue;
        }
        again = status > 499 || status == 408 || status == 429;
        const after = again && response.headers.get('Retry-After');
        if (after) {
          wait = +after >= 0 ? +after * 1_000 : Date.parse(after) - Date.now();
          wait = wait > 0 ? wait : 0;
          asked = Date.now() + wait;
        }
        // Of a batch that is accepted in part, the answer lists what is not.
        if (!ok || text.includes('"error"')) {
          report(Object.assign(new Error(status + ' ' + text), { status, text }));
        }
        if (!again) {
          attempts = 0;
          renewed = false;
          dropped += ok ? 0 : lines.length;
        }
      } catch (error) {
        report(error);
      } finally {
        flying = 0;
      }
      if (again) {
        // Half of it is jitter, so that pages do not come back all at once.
        wait += Math.min(BACKOFF * 2 ** attempts, MAX_BACKOFF) * (0.5 + Math.random() / 2);
        paused = Date.now() + wait;
        if (++attempts < ATTEMPTS) {
          putBack(lines);
        } else {
          dropped += lines.length;
          attempts = 0;
        }
        clearTimeout(timer);
        timer = 0;
        schedule(wait);
      }
    }
    running = undefined;
  };

  const flush = () => {
    due = queue.length;
    return (running ??= drain());
  };

  // The page may be gone after this: what is queued leaves now, with no answer awaited and no preflight needed.
  const leave = () => {
    let budget = BUDGET - flying;
    // Without its token a beacon would be lost. What is refused may be too much beside what others of the page send.
    while (budget > 99 && ready() && (jwt || !renewable)) {
      const lines = take(budget);
      let sent;
      try {
        sent =
          lines[0] &&
          navigator.sendBeacon(target + (jwt ? '?token=' + encodeURIComponent(jwt) : ''), lines.join('\n'));
      } catch {}
      if (!sent) {
        putBack(lines);
        budget /= 2;
      }
    }
    flush();
  };

  // These bubble: what other listeners count when the page is hidden is still in the beacon.
  /** @type {Record<string, () => void>} */
  const listeners = {
    pagehide: leave,
    visibilitychange() {
      if (document.visibilityState == 'hidden') {
        leave();
      }
    },
    online() {
      paused = 0;
      flush();
    },
  };

  // A controller is an options object too: it has the `signal`.
  const listening = new AbortController();
  for (const type in listeners) {
    globalThis.addEventListener?.(type, listeners[type], listening);
  }

  return {
    report,
    flush,
    dropped: () => dropped,

    /** @param {string} line */
    push(line) {
      if (line && !closed) {
        queue.push(line);
        bound();
        schedule(flushInterval);
        if (queue.length >= FULL) {
          flush();
        }
      }
    },

    close() {
      closed = true;
      paused = 0;
      clearTimeout(timer);
      listening.abort();
      return flush();
    },
  };
}
