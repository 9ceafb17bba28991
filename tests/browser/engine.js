// The engine that this run is about, by the environment variable ENGINE, and `test`, which knows what it cannot do.
//
// Engines have one interface. `launch({ dark, proxy })` starts a browser with an empty profile; `proxy` is `host:port` for
// HTTPS. Its `open({ width, height })` opens a page with goto, reload, back, evaluate, click, type, press, resize, close
// and faults: what was thrown into the page, or forbidden to it by its policy.
'use strict';

const assert = require('node:assert/strict');
const nodeTest = require('node:test');

const { limits } = require('./limits.js');
const { patience } = require('./until.js');

const ENGINES = ['chromium', 'firefox', 'webkit'];

/** The engine's name. */
const engine = process.env.ENGINE || ENGINES[0];
assert.ok(ENGINES.includes(engine), `ENGINE is one of ${ENGINES.join(', ')}, not ${engine}`);

const { launch } = require(`./engines/${engine}.js`);

/** Milliseconds after which a test has failed, whatever it waits for. */
const TIMEOUT = 120_000;

/** Milliseconds to wait for what an engine is known not to do. */
const LITTLE_PATIENCE = 5_000;

/** A test that runs in every engine. In one that is listed as unable it has to fail, so that the list stays true. */
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
