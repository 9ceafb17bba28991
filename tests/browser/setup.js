// The environment of a test: a receiver in place of StatsD, the proxy, a forwarder in front of it, a server of pages, and
// the browser. All of them stop after the test, which fails if a page had an exception or violated its policy.
'use strict';

const assert = require('node:assert/strict');
const { after, before } = require('node:test');

const { launch } = require('./engine.js');
const { Forwarder } = require('./forwarder.js');
const { Pages } = require('./pages.js');
const { Proxy } = require('./proxy.js');
const { Receiver } = require('./receiver.js');
const { SECRET } = require('./token.js');

// The tests of a file share a browser, but no site: each has ports of its own.
let browser;

before(async () => {
  browser = await launch();
});

after(async () => {
  await browser?.close();
});

/** Starts the environment. The proxy requires a token unless `secret` is null. */
async function setup(test, { secret = SECRET } = {}) {
  const world = new World();
  test.after(() => world.stop());
  await world.start(secret === null ? [] : [`--jwt-secret=${secret}`]);
  return world;
}

class World {
  constructor() {
    this.stops = [];
    this.opened = [];
  }

  async start(flags) {
    this.receiver = this.stopped(await Receiver.start());
    this.proxy = this.stopped(await Proxy.start(this.receiver, flags));
    this.forwarder = this.stopped(await Forwarder.start(this.proxy));
    this.pages = this.stopped(await Pages.start(this.forwarder.origin));
  }

  stopped(part) {
    this.stops.push(() => part.stop());
    return part;
  }

  /** Opens a page on another site than the proxy's. The page has the client, and runs a script. */
  async open(script) {
    const page = await browser.open();
    this.opened.push(page);
    await page.goto(this.pages.address(script));
    assert.deepEqual(await page.faults(), [], 'what the page threw when it was opened');
    return page;
  }

  async stop() {
    const faults = [];
    for (const page of this.opened) {
      await page.close();
      faults.push(...(await page.faults()));
    }
    for (const stop of this.stops.reverse()) {
      await stop();
    }
    assert.deepEqual(faults, [], 'what was thrown into the page');
  }
}

module.exports = { setup };
