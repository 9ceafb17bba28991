// A browser and its pages by the commands of WebDriver (W3C WebDriver, level 2), over any transport.
'use strict';

const { until } = require('../until.js');

/** WebDriver's code points for keys, section 17.4.2. */
const KEYS = { Enter: '\uE007', ArrowLeft: '\uE012', ArrowRight: '\uE014' };

/** Key of an element's reference in JSON, section 12. */
const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';

/** Longest duration of a command, in milliseconds. A script has a limit of its own, 30 s. */
const COMMAND_TIMEOUT = 60_000;

/** Records in `recorded` the page's exceptions and policy violations from now on. It runs in the page. */
function record() {
  if (globalThis.recorded === undefined) {
    const recorded = (globalThis.recorded = []);
    addEventListener('error', (event) => recorded.push(`uncaught ${event.error?.stack ?? event.message}`));
    addEventListener('unhandledrejection', (event) => recorded.push(`unhandled ${event.reason?.stack ?? event.reason}`));
    addEventListener('securitypolicyviolation', (event) => {
      recorded.push(`Content Security Policy: ${event.violatedDirective} forbids ${event.blockedURI}`);
    });
  }
}

class WebDriverBrowser {
  /**
   * `send(command, parameters)` transports a command. `opens` is `tab` or `window`. `faults()` returns the faults of pages
   * that the engine itself has recorded since the last call.
   */
  constructor({ version, opens, send, resize, faults = async () => [], close }) {
    Object.assign(this, { version, opens, carry: send, resize, faults, close });
    // The driver has one current window, so the commands of different pages must not overlap.
    this.turn = Promise.resolve();
  }

  /** Sends a command. After a command without an answer all others fail at once, so that the tests end soon. */
  async send(command, parameters) {
    if (this.failure !== undefined) {
      throw this.failure;
    }
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => {
        this.failure = new Error(`no answer to ${command} in ${COMMAND_TIMEOUT} ms`);
        reject(this.failure);
      }, COMMAND_TIMEOUT);
    });
    return Promise.race([this.carry(command, parameters), late]).finally(() => clearTimeout(timer));
  }

  /** Opens a page in a tab or a window. The first one stays open, because a session ends with its last one. */
  async open({ width, height } = {}) {
    this.first ??= await this.send('getWindowHandle', {});
    const { handle } = await this.inWindow(this.first, () => this.send('newWindow', { type: this.opens, focus: true }));
    const page = new WebDriverPage(this, handle);
    // A page that is loaded before its window is visible is hidden, and measures no paint.
    await until(() => page.evaluate(() => document.visibilityState === 'visible'), 'the window to be visible');
    if (width !== undefined) {
      await page.resize(width, height);
    }
    return page;
  }

  /** Sends commands to a window, without those of another window between them. */
  inWindow(handle, commands) {
    const result = this.turn.then(async () => {
      if (this.current !== handle) {
        await this.send('switchToWindow', { handle });
        this.current = handle;
      }
      return commands();
    });
    this.turn = result.catch(() => {});
    return result;
  }
}

class WebDriverPage {
  constructor(browser, handle) {
    this.browser = browser;
    this.handle = handle;
    this.thrown = [];
    this.isOpen = true;
  }

  send(command, parameters) {
    return this.browser.inWindow(this.handle, () => this.browser.send(command, parameters));
  }

  /** Calls a function in the page, and awaits its result. Arguments and result are JSON. */
  evaluate(body, ...args) {
    const script = `return (${body})(...${JSON.stringify(args)})`;
    return this.send('executeScript', { script, args: [] });
  }

  /** Moves the page's records here, before the page is left. */
  async collect() {
    if (this.isOpen) {
      const recorded = await this.evaluate(() => globalThis.recorded?.splice(0) ?? []);
      this.thrown.push(...recorded);
    }
    this.thrown.push(...(await this.browser.faults()));
  }

  async faults() {
    await this.collect();
    return this.thrown;
  }

  async goto(url) {
    await this.leave('navigate', { url });
  }

  async reload() {
    await this.leave('refresh', {});
  }

  async back() {
    await this.leave('back', {});
  }

  /**
   * Leaves the document by a command, and waits until another one is loaded, which not every driver does.
   */
  async leave(command, parameters) {
    await this.collect();
    const left = Math.random();
    // The mark is on the document's element, because a restored page still has its variables.
    await this.evaluate((left) => document.documentElement.setAttribute('data-left', left), left);
    await this.send(command, parameters);
    const isThere = (left) =>
      document.readyState === 'complete' && document.documentElement.getAttribute('data-left') !== String(left);
    let failure;
    await until(
      // Between two documents there may be none.
      () => this.evaluate(isThere, left).catch((error) => void (failure = error)),
      () => `a page after ${command}; ${failure ?? ''}`,
    );
    await this.evaluate(record);
  }

  async resize(width, height) {
    await this.browser.inWindow(this.handle, () => this.browser.resize(width, height));
    await until(
      () => this.evaluate((width, height) => innerWidth === width && innerHeight === height, width, height),
      `a viewport of ${width} by ${height}`,
    );
  }

  async element(selector) {
    const found = await this.send('findElement', { using: 'css selector', value: selector });
    return found[ELEMENT];
  }

  async click(selector) {
    await this.send('elementClick', { id: await this.element(selector) });
  }

  async type(selector, text) {
    const id = await this.element(selector);
    await this.send('elementClear', { id });
    await this.send('elementSendKeys', { id, text });
  }

  async press(selector, key) {
    await this.send('elementSendKeys', { id: await this.element(selector), text: KEYS[key] });
  }

  /** Closes the tab, as a user does. */
  async close() {
    if (this.isOpen) {
      await this.collect();
      await this.send('closeWindow', {});
      this.isOpen = false;
      this.browser.current = undefined;
    }
  }
}

module.exports = { WebDriverBrowser };
