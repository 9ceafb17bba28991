// What a test runs in: StatsD's stand-in, the proxy, what is seen between browser and proxy, a server of pages, and the
// browser. After the test all of it is stopped, and nothing must have been thrown into a page.
'use strict';

const assert = require('node:assert/strict');
const { after, before } = require('node:test');

const { launch } = require('./browser.js');
const { Forwarder } = require('./forwarder.js');
const { Pages } = require('./pages.js');
const { Proxy } = require('./proxy.js');
const { Receiver } = require('./receiver.js');
const { SECRET } = require('./token.js');

// One browser for the tests of a file, and a profile of its own for each test.
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
    this.faults = [];
  }

  async start(flags) {
    this.receiver = this.stopped(await Receiver.start());
    this.proxy = this.stopped(await Proxy.start(this.receiver, flags));
    this.forwarder = this.stopped(await Forwarder.start(this.proxy));
    this.pages = this.stopped(await Pages.start(this.forwarder.origin));
    this.context = await browser.newContext();
    this.stops.push(() => this.context.close());
    // Of an `eval` that is caught, the console says nothing.
    await this.context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        console.error(`Content Security Policy: ${event.violatedDirective} forbids ${event.blockedURI}`);
      });
    });
  }

  stopped(part) {
    this.stops.push(() => part.stop());
    return part;
  }

  /** Opens a page of another site than the proxy's, which has the client and runs a script. */
  async open(script) {
    const page = await this.context.newPage();
    page.on('pageerror', (error) => this.faults.push(error.stack || String(error)));
    page.on('crash', () => this.faults.push('the page crashed'));
    page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) {
        this.faults.push(message.text());
      }
    });
    await page.goto(this.pages.address(script));
    assert.deepEqual(this.faults, [], 'what the page threw when it was opened');
    return page;
  }

  async stop() {
    for (const stop of this.stops.reverse()) {
      await stop();
    }
    assert.deepEqual(this.faults, [], 'what was thrown into the page');
  }
}

module.exports = { setup };
