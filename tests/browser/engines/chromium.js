// Chromium, driven by Playwright.
'use strict';

const fs = require('node:fs');

const { chromium } = require('playwright-core');

const EXECUTABLE = process.env.CHROMIUM || '/usr/bin/chromium';

/** Playwright's browser. */
async function start(args = []) {
  if (!fs.existsSync(EXECUTABLE)) {
    throw new Error(
      `there is no Chromium at ${EXECUTABLE}: install it with \`apt-get install chromium\`, or say where one is with ` +
        'the environment variable CHROMIUM',
    );
  }
  return chromium.launch({
    executablePath: EXECUTABLE,
    // Root, the user in containers, may not use the sandbox. The pages are those of the tests.
    args: ['--no-sandbox', ...args],
    // Users have the cache.
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
  });
}

async function launch({ dark = false, switches = [] } = {}) {
  const browser = await start(switches);
  return {
    version: `Chromium ${browser.version()}`,
    close: () => browser.close(),
    async open({ width, height } = {}) {
      const context = await browser.newContext({ colorScheme: dark ? 'dark' : 'light', ignoreHTTPSErrors: true });
      const page = new ChromiumPage(context, await context.newPage());
      if (width !== undefined) {
        await page.resize(width, height);
      }
      return page;
    },
  };
}

class ChromiumPage {
  constructor(context, page) {
    this.context = context;
    this.page = page;
    this.thrown = [];
    /** Every error in the console: failed requests are among them. */
    this.logged = [];
    page.on('pageerror', (error) => this.thrown.push(error.stack || String(error)));
    page.on('crash', () => this.thrown.push('the page crashed'));
    page.on('console', (message) => {
      if (message.type() === 'error') {
        this.logged.push(message.text());
      }
      if (message.text().includes('Content Security Policy')) {
        this.thrown.push(message.text());
      }
    });
  }

  async faults() {
    return this.thrown;
  }

  async goto(url) {
    await this.page.goto(url);
  }

  async reload() {
    await this.page.reload();
  }

  async back() {
    // A page from the cache is not loaded, so it has no `load` event.
    await this.page.goBack({ waitUntil: 'commit' });
  }

  /** Grants a permission to an origin, as a user does in the browser's dialog. */
  async grant(permission, origin) {
    await this.context.grantPermissions([permission], { origin });
  }

  async resize(width, height) {
    await this.page.setViewportSize({ width, height });
  }

  evaluate(body, ...args) {
    return this.page.evaluate(`(${body})(...${JSON.stringify(args)})`);
  }

  async click(selector) {
    await this.page.click(selector);
  }

  async type(selector, text) {
    await this.page.fill(selector, text);
  }

  async press(selector, key) {
    await this.page.press(selector, key);
  }

  async close() {
    if (!this.page.isClosed()) {
      const closed = this.page.waitForEvent('close');
      // Closes the tab as a user does. Without this option it ends as if it had crashed.
      await this.page.close({ runBeforeUnload: true });
      await closed;
    }
    await this.context.close();
  }
}

module.exports = { launch, start };
