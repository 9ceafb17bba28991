// Provides the engine that the environment variable ENGINE names, and `test`, which knows the limits of each engine.
//
// Engines have one interface. `launch({ dark, proxy, switches })` starts a browser with an empty profile. `proxy` is the
// `host:port` of an HTTP proxy for HTTPS, which Firefox and WebKit use; `switches` are for Chromium's command line. Its
// `open({ width, height })` opens a page with goto, reload, back, evaluate, click, type, press, resize, close and faults.
// The faults are the exceptions in the page and the violations of its policy.
'use strict';

const assert = require('node:assert/strict');
const nodeTest = require('node:test');

const { limits } = require('./limits.js');
const { patience } = require('./until.js');

const ENGINES = ['chromium', 'firefox', 'webkit'];

/** Name of the engine. */
const engine = process.env.ENGINE || ENGINES[0];
assert.ok(ENGINES.includes(engine), `ENGINE is one of ${ENGINES.join(', ')}, not ${engine}`);

const { launch } = require(`./engines/${engine}.js`);

/** Longest duration of a test, in milliseconds. */
const TIMEOUT = 120_000;

/** Longest wait, in milliseconds, in a test that is listed as failing. */
const LITTLE_PATIENCE = 5_000;

/** Defines a test that runs in every engine. It has to fail in an engine for which it is listed, so the list stays true. */
function test(name, body) {
  const limit = limits.find((one) => one.engine === engine && one.test === name);
  nodeTest.test(name, { timeout: TIMEOUT }, async (t) => {
    if (limit === undefined) {
      await body(t);
      return;
    }
    const before = patience.milliseconds;
    patience.milliseconds = LITTLE_PATIENCE;
    try {
      await body(t);
    } catch (error) {
      t.todo(limit.reason);
      t.diagnostic(`${engine} cannot: ${error.message}`);
      return;
    } finally {
      patience.milliseconds = before;
    }
    throw new Error(`${engine} can do this now: take it out of limits.js`);
  });
}

module.exports = { ENGINES, engine, launch, test };
