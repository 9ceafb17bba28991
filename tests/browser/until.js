// Waits for a condition, with a deadline.
'use strict';

/** Longest wait for a condition. */
const patience = { milliseconds: 30_000 };

/** Waits until the condition, which may be asynchronous, holds. The error names `what`, a text or a function. */
async function until(condition, what) {
  const { milliseconds } = patience;
  const deadline = Date.now() + milliseconds;
  for (;;) {
    const result = await condition();
    if (result) {
      return result;
    }
    if (Date.now() > deadline) {
      throw new Error(`waited ${milliseconds} ms in vain for ${typeof what === 'function' ? what() : what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

module.exports = { patience, until };
