// WebKitGTK's MiniBrowser, driven by WebKitWebDriver over HTTP, on a virtual display.
'use strict';

const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');

const { until } = require('../until.js');
const { Home, Process } = require('./process.js');
const { WebDriverBrowser } = require('./webdriver.js');

const DRIVER = process.env.WEBKIT_DRIVER || '/usr/bin/WebKitWebDriver';
const DISPLAY = process.env.XVFB || '/usr/bin/Xvfb';

/** Attempts to find a free port. Another process may take a port before the driver does. */
const PORTS_TRIED = 5;

/** MiniBrowser's toolbar must not keep its window wider than a phone. */
const STYLE = '* { min-width: 0; min-height: 0; margin: 0; padding: 0; border-width: 0; font-size: 1px; }';

/** Commands with their methods and paths below /session/{id}. */
const COMMANDS = {
  navigate: ['POST', 'url'],
  refresh: ['POST', 'refresh'],
  back: ['POST', 'back'],
  executeScript: ['POST', 'execute/sync'],
  findElement: ['POST', 'element'],
  elementClick: ['POST', 'element/{id}/click'],
  elementClear: ['POST', 'element/{id}/clear'],
  elementSendKeys: ['POST', 'element/{id}/value'],
  getWindowHandle: ['GET', 'window'],
  newWindow: ['POST', 'window/new'],
  switchToWindow: ['POST', 'window'],
  closeWindow: ['DELETE', 'window'],
  setWindowRect: ['POST', 'window/rect'],
};

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Sends a request to the driver. Resolves to the answer's value, or rejects with its error. */
function exchange(port, method, target, body) {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json' };
    const request = http.request({ host: '127.0.0.1', port, method, path: target, headers, agent: false });
    request.once('error', reject);
    request.once('response', async (response) => {
      try {
        let text = '';
        for await (const chunk of response.setEncoding('utf8')) {
          text += chunk;
        }
        const { value } = JSON.parse(text);
        if (response.statusCode === 200) {
          resolve(value);
        } else {
          reject(new Error(`WebKitWebDriver: ${value.error}: ${value.message}`));
        }
      } catch (error) {
        reject(error);
      }
    });
    request.end(method === 'POST' ? JSON.stringify(body ?? {}) : undefined);
  });
}

async function startDriver(environment) {
  for (let tried = 1; ; tried++) {
    const port = await freePort();
    const driver = Process.start(DRIVER, [`--port=${port}`], environment);
    try {
      await until(async () => {
        driver.check();
        return exchange(port, 'GET', '/status').catch(() => undefined);
      }, 'WebKitWebDriver to listen');
      return { driver, port };
    } catch (error) {
      await driver.stop();
      if (tried === PORTS_TRIED) {
        throw error;
      }
    }
  }
}

async function startDisplay(environment) {
  const args = ['-displayfd', '3', '-screen', '0', '1920x1400x24', '-nolisten', 'tcp', '-noreset'];
  const display = Process.start(DISPLAY, args, environment);
  let number = '';
  display.child.stdio[3].setEncoding('utf8').on('data', (text) => (number += text));
  await until(() => (display.check(), number.endsWith('\n')), 'Xvfb to start').catch(async (error) => {
    await display.stop();
    throw error;
  });
  return { display, name: `:${number.trim()}` };
}

function check() {
  for (const [file, debian] of [[DRIVER, 'webkit2gtk-driver'], [DISPLAY, 'xvfb']]) {
    if (!fs.existsSync(file)) {
      throw new Error(`there is no ${file}: install it with \`apt-get install ${debian}\``);
    }
  }
}

async function launch({ dark = false, proxy } = {}) {
  check();
  const stops = [];
  const close = async () => {
    for (const stop of stops.splice(0).reverse()) {
      await stop();
    }
  };
  try {
    const home = new Home();
    stops.push(() => home.remove());
    fs.mkdirSync(path.join(home.path, 'gtk-3.0'));
    fs.writeFileSync(path.join(home.path, 'gtk-3.0/gtk.css'), STYLE);
    const { display, name } = await startDisplay(home.environment());
    stops.push(() => display.stop());
    const environment = home.environment({
      DISPLAY: name,
      GDK_BACKEND: 'x11',
      GSETTINGS_BACKEND: 'memory',
      LIBGL_ALWAYS_SOFTWARE: '1',
      NO_AT_BRIDGE: '1',
      // WebKitGTK would speak TLS with a proxy that the capability `sslProxy` names.
      ...(proxy !== undefined && { https_proxy: `http://${proxy}` }),
      // Root, the user in containers, may not use the sandbox. The pages are those of the tests.
      WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1',
    });
    const { driver, port } = await startDriver(environment);
    stops.push(() => driver.stop());
    const options = { args: ['--automation', ...(dark ? ['--dark-mode'] : [])] };
    const capabilities = { acceptInsecureCerts: true, 'webkitgtk:browserOptions': options };
    const session = await exchange(port, 'POST', '/session', { capabilities: { alwaysMatch: capabilities } });
    return browser(port, session, close);
  } catch (error) {
    await close();
    throw error;
  }
}

function browser(port, session, close) {
  const send = (command, parameters) => {
    const [method, target] = COMMANDS[command];
    const address = `/session/${session.sessionId}/${target.replace('{id}', encodeURIComponent(parameters.id))}`;
    return exchange(port, method, address, parameters);
  };
  const inner = () => send('executeScript', { script: 'return [innerWidth, innerHeight]', args: [] });
  const resize = async (width, height) => {
    // The difference is the height of the window's toolbar.
    const outer = await send('setWindowRect', { width, height });
    await until(async () => (await inner())[0] === outer.width, 'the window to be laid out');
    await send('setWindowRect', { width, height: height + outer.height - (await inner())[1] });
  };
  const version = `WebKitGTK ${session.capabilities.browserVersion}`;
  // A new tab stays hidden in MiniBrowser, so pages open in windows.
  return new WebDriverBrowser({ version, opens: 'window', send, resize, close });
}

module.exports = { launch };
