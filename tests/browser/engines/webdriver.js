// Browser and page by WebDriver's commands (W3C WebDriver, level 2), whatever carries them.
'use strict';

const { until } = require('../until.js');

/** WebDriver's code points for keys, section 17.4.2. */
const KEYS = { Enter: '\uE007', ArrowLeft: '\uE012', ArrowRight: '\uE014' };

/** The key under which an element's reference is in JSON, section 12. */
const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';

/** Milliseconds that a command may take; a script's own limit is 30 s. */
const COMMAND_TIMEOUT = 60_000;

/** Keeps what is thrown in a page from now on, in `recorded`; it runs in the page. */
function record() {
  if (globalThis.recorded === undefined) {
    const recorded = (globalThis.recorded = []);
    addEventListener('error', (event) => recorded.push(`uncaught ${event.error?.stack ?? event.message}`));
    addEventListener('unhandledrejection', (event) => recorded.push(`unhandled ${event.reason?.stack ?? event.reason}`));
  }
}

class WebDriverBrowser {
  /**
   * `send(command, parameters)` carries a command; `opens` is `tab` or `window`; `faults()` returns what the engine itself knows was thrown into
   * pages since it was last asked.
   */
  constructor({ version, opens, send, resize, faults = async () => [], close }) {
    Object.assign(this, { version, opens, carry: send, resize, faults, close });
    // The driver has one current window. Commands of a page that need it follow one another.
    this.turn = Promise.resolve();
  }

  /** Sends a command. After one that is not answered the browser is given up, so that its tests end soon. */
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

  /** Opens a window or tab, whichever shows its page. The first stays: with its last one a session ends. */
  async open({ width, height } = {}) {
    this.first ??= await this.send('getWindowHandle', {});
    const { handle } = await this.inWindow(this.first, () => this.send('newWindow', { type: this.opens, focus: true }));
    const page = new WebDriverPage(this, handle);
    // A page that is loaded before its window is there is hidden, and measures no paint.
    await until(() => page.evaluate(() => document.visibilityState === 'visible'), 'the window to be visible');
    if (width !== undefined) {
      await page.resize(width, height);
    }
    return page;
  }

  /** Sends commands to a window, with none of another window's between them. */
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

  /** Calls a function in the page; arguments and result are JSON, and a promise is awaited. */
  evaluate(body, ...args) {
    const script = `return (${body})(...${JSON.stringify(args)})`;
    return this.send('executeScript', { script, args: [] });
  }

  /** Takes what the page has recorded, before it is left. */
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
   * Leaves the document by a command, and waits until another one is loaded: not every driver does.
   */
  async leave(command, parameters) {
    await this.collect();
    const left = Math.random();
    // On the document's element, since a page that is restored has its variables.
    await this.evaluate((left) => document.documentElement.setAttribute('data-left', left), left);
    await this.send(command, parameters);
    const isThere = (left) =>
      document.readyState === 'complete' && document.documentElement.getAttribute('data-left') !== String(left);
    let failure;
    await until(
      // While documents change, there may be none to ask.
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

  /** Closes the tab, as a person does. */
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
