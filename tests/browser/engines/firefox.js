// Firefox, driven by Marionette, the protocol that geckodriver uses.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');

const { until } = require('../until.js');
const { Home, Process } = require('./process.js');
const { WebDriverBrowser } = require('./webdriver.js');

const EXECUTABLE = process.env.FIREFOX || '/usr/bin/firefox-esr';

/** `layout.css.prefers-color-scheme.content-override`. */
const DARK = 0;
const LIGHT = 1;

const PREFERENCES = {
  // Firefox chooses a free port, and writes it to a file in the profile.
  'marionette.port': 0,
  // The browser makes no requests of its own: no updates, no reports, no lists from the network.
  'app.normandy.enabled': false,
  'app.update.disabledForTesting': true,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,#remote-settings-dummy/v1',
};

/** A connection to Marionette. A message is a length, a colon, and JSON; each command has an answer. */
class Connection {
  static async open(port) {
    const connection = new Connection();
    connection.waiting = new Map();
    connection.last = 0;
    connection.received = Buffer.alloc(0);
    connection.socket = net.connect(port, '127.0.0.1');
    connection.socket.on('data', (chunk) => connection.read(chunk));
    connection.ready = new Promise((resolve, reject) => {
      connection.greet = resolve;
      connection.fail = reject;
    });
    for (const event of ['error', 'close']) {
      connection.socket.on(event, (error) => connection.end(error instanceof Error ? error : new Error('Firefox ended')));
    }
    await connection.ready;
    return connection;
  }

  read(chunk) {
    this.received = Buffer.concat([this.received, chunk]);
    for (;;) {
      const colon = this.received.indexOf(':');
      const end = colon + 1 + Number(this.received.subarray(0, Math.max(colon, 0)));
      if (colon < 0 || this.received.length < end) {
        return;
      }
      const message = JSON.parse(this.received.subarray(colon + 1, end).toString());
      this.received = this.received.subarray(end);
      if (Array.isArray(message)) {
        this.answer(message);
      } else {
        this.greet();
      }
    }
  }

  answer([, id, error, result]) {
    const { resolve, reject } = this.waiting.get(id);
    this.waiting.delete(id);
    if (error) {
      reject(new Error(`Marionette: ${error.error}: ${error.message}`));
    } else {
      resolve(Object.keys(result ?? {}).join() === 'value' ? result.value : result);
    }
  }

  end(error) {
    this.fail(error);
    for (const { reject } of this.waiting.values()) {
      reject(error);
    }
    this.waiting.clear();
  }

  send(name, parameters = {}) {
    const id = ++this.last;
    const text = JSON.stringify([0, id, name, parameters]);
    return new Promise((resolve, reject) => {
      if (this.socket.destroyed) {
        reject(new Error('Firefox ended'));
        return;
      }
      this.waiting.set(id, { resolve, reject });
      this.socket.write(`${Buffer.byteLength(text)}:${text}`);
    });
  }
}

/** Reads the exceptions in pages, and the violations of policies, from Firefox's own console. */
const FAULTS = `
  const faults = Services.console.getMessageArray().flatMap((message) => {
    try {
      message.QueryInterface(Ci.nsIScriptError);
    } catch {
      return [];
    }
    const ours = /^https?:/.test(message.sourceName) && !(message.flags & Ci.nsIScriptError.warningFlag);
    const kinds = ['content javascript', 'CSP', 'CSP_CSPViolationWithURI'];
    return ours && kinds.includes(message.category) ? [message.category + ': ' + message.errorMessage] : [];
  });
  Services.console.reset();
  return faults;
`;

/** Resizes the element that shows the page, because a window is at least 450 pixels wide. */
const RESIZE = `
  const [width, height] = arguments;
  const { style } = gBrowser.selectedBrowser;
  for (const bound of ['', 'min-', 'max-']) {
    style.setProperty(bound + 'width', width + 'px');
    style.setProperty(bound + 'height', height + 'px');
  }
`;

function profile(home, dark, proxy) {
  const folder = path.join(home.path, 'profile');
  fs.mkdirSync(folder);
  const preferences = { ...PREFERENCES, 'layout.css.prefers-color-scheme.content-override': dark ? DARK : LIGHT };
  if (proxy !== undefined) {
    const [host, port] = proxy.split(':');
    Object.assign(preferences, { 'network.proxy.type': 1, 'network.proxy.ssl': host, 'network.proxy.ssl_port': +port });
  }
  const lines = Object.entries(preferences).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`);
  fs.writeFileSync(path.join(folder, 'user.js'), lines.join(''));
  return folder;
}

async function launch({ dark = false, proxy } = {}) {
  if (!fs.existsSync(EXECUTABLE)) {
    throw new Error(
      `there is no Firefox at ${EXECUTABLE}: install it with \`apt-get install firefox-esr\`, or say where one is with ` +
        'the environment variable FIREFOX',
    );
  }
  const home = new Home();
  const folder = profile(home, dark, proxy);
  const flags = ['-headless', '-marionette', '-remote-allow-system-access', '-no-remote', '-profile', folder];
  const environment = home.environment({ MOZ_CRASHREPORTER_DISABLE: '1' });
  const firefox = Process.start(EXECUTABLE, flags, environment);
  const close = async () => {
    await firefox.stop();
    home.remove();
  };
  try {
    const file = path.join(folder, 'MarionetteActivePort');
    const port = await until(() => {
      firefox.check();
      return fs.existsSync(file) && Number(fs.readFileSync(file, 'utf8'));
    }, 'Firefox to listen');
    const connection = await Connection.open(port);
    // Marionette takes capabilities without the levels that WebDriver has above them, and ignores names it does not know.
    const capabilities = { acceptInsecureCerts: true };
    const session = await connection.send('WebDriver:NewSession', capabilities);
    assert.equal(session.capabilities.acceptInsecureCerts, true, 'Firefox has to accept the certificates of tests');
    return browser(connection, session.capabilities.browserVersion, close);
  } catch (error) {
    await close();
    throw error;
  }
}

function browser(connection, version, close) {
  const send = (command, parameters) => {
    const name = command[0].toUpperCase() + command.slice(1);
    return connection.send(`WebDriver:${name}`, parameters);
  };
  const asSystem = async (script, args = []) => {
    await connection.send('Marionette:SetContext', { value: 'chrome' });
    try {
      return await connection.send('WebDriver:ExecuteScript', { script, args });
    } finally {
      await connection.send('Marionette:SetContext', { value: 'content' });
    }
  };
  return new WebDriverBrowser({
    version: `Firefox ${version}`,
    opens: 'tab',
    send,
    resize: (width, height) => asSystem(RESIZE, [width, height]),
    faults: () => asSystem(FAULTS),
    close,
  });
}

module.exports = { launch };
