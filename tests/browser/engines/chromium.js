// Chromium, driven by Playwright.
'use strict';

const fs = require('node:fs');

const { chromium } = require('playwright-core');

const EXECUTABLE = process.env.CHROMIUM || '/usr/bin/chromium';

/** Playwright's own browser, for tests of what only Chromium has. */
async function start(args = []) {
  if (!fs.existsSync(EXECUTABLE)) {
    throw new Error(
      `there is no Chromium at ${EXECUTABLE}: install it with \`apt-get install chromium\`, or say where one is with ` +
        'the environment variable CHROMIUM',
    );
  }
  return chromium.launch({
    executablePath: EXECUTABLE,
    // Root, as which containers run, may not use the sandbox; and the pages are our own.
    args: ['--no-sandbox', ...args],
    // As with users.
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
  });
}

async function launch({ dark = false } = {}) {
  const browser = await start();
  return {
    version: `Chromium ${browser.version()}`,
    close: () => browser.close(),
    async open({ width, height } = {}) {
      const context = await browser.newContext({ colorScheme: dark ? 'dark' : 'light' });
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
    page.on('pageerror', (error) => this.thrown.push(error.stack || String(error)));
    page.on('crash', () => this.thrown.push('the page crashed'));
    page.on('console', (message) => {
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
    // A page from the cache is not loaded, so there is no `load` to wait for.
    await this.page.goBack({ waitUntil: 'commit' });
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
      // As a person closes it; without this the tab ends as if it had crashed.
      await this.page.close({ runBeforeUnload: true });
      await closed;
    }
    await this.context.close();
  }
}

module.exports = { launch, start };
