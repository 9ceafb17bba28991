// What a test runs in: StatsD's stand-in, the proxy, what is seen between browser and proxy, a server of pages, and the
// browser. After the test all of it is stopped, and nothing must have been thrown into a page.
'use strict';

const assert = require('node:assert/strict');
const { after, before } = require('node:test');

const { launch } = require('./engine.js');
const { Forwarder } = require('./forwarder.js');
const { Pages } = require('./pages.js');
const { Proxy } = require('./proxy.js');
const { Receiver } = require('./receiver.js');
const { SECRET } = require('./token.js');

// One browser for the tests of a file. Tests share no site: each has ports of its own.
let browser;

before(async () => {
  browser = await launch();
});

after(async () => {
  await browser?.close();
});

/** The proxy wants a token, unless `secret` is null. */
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

  /** Opens a page of another site than the proxy's, which has the client and runs a script. */
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
