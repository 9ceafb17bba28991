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
/** Milliseconds that a request, its answer or a token function may take: one that hangs keeps the others from leaving. */
const TIMEOUT = 30_000;

/** Bytes of a text in UTF-8, or a few more if it has emoji. Not every engine has a TextEncoder. */
const bytes = (/** @type {string} */ text) =>
  text.replace(/[\u0800-\uffff]/g, '$&x').replace(/[\x80-\uffff]/g, 'xx').length;

/**
 * Settles as `work` does, or rejects after `TIMEOUT`. No signal does that for a request that the back/forward cache has
 * frozen, nor for a token.
 *
 * @template T
 * @param {T | Promise<T>} work
 * @returns {Promise<T>}
 */
const within = (work) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('Timed out')), TIMEOUT);
    Promise.resolve(work)
      .finally(() => clearTimeout(timer))
      .then(resolve, reject);
  });

/**
 * Listens to events of the page, where there are any. What is returned stops it. They bubble: what other listeners count
 * when the page is hidden is still in the beacon.
 *
 * @param {Record<string, (event: any) => void>} listeners
 * @param {'add' | 'remove'} [action]
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
 * @property {string} url Where the proxy is, with its base path if it has one
 * @property {Token | (() => Token | Promise<Token>)} [token] JSON Web Token, or a function that gets one; it is called
 *   first before the first request, and again when the proxy refuses the token or 30 seconds have passed without one
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
  // Bytes of the keepalive requests in flight.
  let flying = 0;
  // Of the queue, what is to leave now: what comes while a request is in flight waits for its own interval.
  let due = 0;
  // No request before these times: `paused` for a backoff, `asked` by the proxy.
  let paused = 0;
  let asked = 0;
  // Whether the token was renewed for the batch that is sent.
  let renewed = false;
  // 1 when it is, and 2 when `onError` was told that metrics came after that.
  let closed = 0;
  /** @type {any} */
  let timer;
  /** @type {Promise<void> | null} */
  let running = null;
  let jwt = renewable ? null : token;

  const report = (/** @type {any} */ error) => {
    // Without it while it runs: what it calls in turn may fail too, and so on without end.
    const tell = onError;
    onError = undefined;
    // A promise takes in what it throws, and what it rejects if it is asynchronous.
    new Promise((resolve) => resolve(tell?.(error))).catch(() => {});
    onError = tell;
  };

  /**
   * Whatever the page hands over, or its getters throw, is reported, and not thrown into it.
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

  const wake = () => {
    clearTimeout(timer);
    // Browsers round: a backoff ends with its timer, not with the clock.
    timer = paused = 0;
    flush();
  };

  const schedule = (/** @type {number} */ delay) => {
    if (!timer && !closed) {
      timer = setTimeout(wake, delay);
      // Node would wait for it.
      timer.unref?.();
    }
  };

  const ready = () => queue.length && Date.now() >= asked && globalThis.navigator?.onLine !== false;

  const retry = (/** @type {string[]} */ lines, wait = 0) => {
    // Half of it is jitter, so that pages do not come back all at once.
    wait += Math.min(BACKOFF * 2 ** attempts, MAX_BACKOFF) * (0.5 + Math.random() / 2);
    paused = Date.now() + wait;
    // It goes on rising when a batch is dropped: the next one has as little hope, and waits as long.
    if (++attempts % ATTEMPTS) {
      putBack(lines);
    } else {
      dropped += lines.length;
    }
    // By the next attempt the token may have expired.
    renewed = false;
    clearTimeout(timer);
    timer = 0;
    schedule(wait);
  };

  /**
   * What becomes of the lines of a request that was answered.
   *
   * @param {string[]} lines
   * @param {Response} response
   * @param {string} text
   */
  const conclude = (lines, { status, ok, headers }, text) => {
    renewed = (status == 401 || status == 403) && renewable && !renewed;
    if (renewed) {
      jwt = null;
      putBack(lines);
    } else {
      // Of a batch that is accepted in part, the answer lists what is not.
      if (!ok || text.includes('"error"')) {
        report(Object.assign(new Error(status + ' ' + text), { status, text }));
      }
      if (status > 499 || status == 408 || status == 429) {
        // Seconds or a date; without the header, which is null then, no wait.
        /** @type {any} */
        const after = headers.get('Retry-After');
        const wait = Math.max(0, after * 1_000 || Date.parse(after) - Date.now()) || 0;
        asked = Date.now() + wait;
        retry(lines, wait);
      } else {
        attempts = 0;
        dropped += ok ? 0 : lines.length;
      }
    }
  };

  const post = async (/** @type {string[]} */ lines, /** @type {boolean} */ keepalive) => {
    const body = lines.join('\n');
    flying = keepalive ? bytes(body) : 0;
    const response = await within(
      fetch(target, {
        method: 'POST',
        body,
        keepalive,
        // A custom header costs a preflight, which the browser may then keep. Text is text/plain by itself.
        headers: jwt ? { 'X-JWT-Token': jwt } : {},
        // Gives its connection back. Safari before 16 has no such signal.
        signal: globalThis.AbortSignal?.timeout?.(TIMEOUT),
      }),
    );
    conclude(lines, response, await within(response.text()).catch(() => ''));
  };

  const sendBatch = async () => {
    const mine = running;
    // So it survives the page. When other requests have used up the budget, it fails: then without.
    const keepalive = !attempts;
    /** @type {string[]} */
    let lines = [];
    try {
      if (renewable) {
        jwt ??= await within(token());
      }
      // Else the next drain has taken over.
      if (mine == running) {
        lines = take(BUDGET);
        due -= lines.length;
        await post(lines, keepalive);
      }
    } catch (error) {
      // What was sent with keepalive when the page was left has arrived, unless the network failed, a TypeError: only the
      // answer may be lost.
      if (mine == running || !keepalive || error instanceof TypeError) {
        report(error);
        retry(lines);
      }
    }
    flying = 0;
  };

  const drain = async () => {
    // So that `running` is set before anything of the page is called: that may flush, too.
    await 0;
    const mine = running;
    while (mine == running && due > 0 && ready() && Date.now() >= paused) {
      await sendBatch();
    }
    if (mine == running) {
      running = null;
      if (queue.length) {
        // Should nothing else wake it: the network may be back without an event.
        schedule(MAX_BACKOFF);
      }
    }
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

  /** @type {Record<string, (event: any) => void>} */
  const listeners = {
    pagehide: leave,
    visibilitychange() {
      if (globalThis.document?.visibilityState == 'hidden') {
        leave();
      }
    },
    online() {
      // Until the time that the proxy asked for, the timer stands.
      if (Date.now() >= asked) {
        wake();
      }
    },
    pageshow({ persisted }) {
      if (persisted) {
        // The answer or the token that this waits for may never come.
        running = null;
        wake();
      }
    },
  };

  const deafen = listen(listeners);

  return {
    attempt,
    flush,
    dropped: () => dropped,

    /** @param {string} line */
    push(line) {
      if (!line) {
        return;
      }
      if (!closed) {
        queue.push(line);
        bound();
        schedule(flushInterval);
        if (queue.length >= FULL) {
          flush();
        }
      } else if (closed++ < 2) {
        // Said once.
        throw new Error('Closed');
      }
    },

    close() {
      closed = closed || 1;
      paused = 0;
      clearTimeout(timer);
      deafen();
      return flush();
    },
  };
}
