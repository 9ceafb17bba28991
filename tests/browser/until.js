// Waiting for a condition, with a deadline.
'use strict';

const PATIENCE = 20_000;

/** Waits until the condition, which may be asynchronous, holds. What is awaited is told when it does not. */
async function until(condition, what) {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const result = await condition();
    if (result) {
      return result;
    }
    if (Date.now() > deadline) {
      throw new Error(`waited ${PATIENCE} ms in vain for ${typeof what === 'function' ? what() : what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

module.exports = { until };
