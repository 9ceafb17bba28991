// The names of the documents, https://shop.example.com for pages and https://metrics.example.com for the proxy, on
// loopback, so that what is documented runs as it stands: TLS, HTTP/2, two sites.
'use strict';

const { execFileSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const https = require('node:https');
const path = require('node:path');

const { start } = require('./engines/chromium.js');
const { Home } = require('./engines/process.js');
const { Proxy } = require('./proxy.js');
const { Receiver } = require('./receiver.js');

const SHOP = 'https://shop.example.com';

/** A certificate for both names, in a folder. */
function certificate(folder) {
  const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const subject = ['-subj', '/CN=example.com', '-addext', 'subjectAltName=DNS:*.example.com'];
  execFileSync('openssl', ['req', '-x509', '-days', '2', ...curve, ...subject, '-keyout', key, '-out', cert], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return { key, cert };
}

class Names {
  /**
   * Proxy, pages and browser. `space` is where the browser takes the proxy's address to be: `public`, `local` or
   * `loopback`. The shop's is always public, as loopback addresses are not.
   */
  static async start(test, { flags = [], space = 'public' } = {}) {
    const names = new Names();
    const stops = [];
    test.after(async () => {
      for (const stop of stops.reverse()) {
        await stop();
      }
    });
    const home = new Home();
    stops.push(() => home.remove());
    const { key, cert } = certificate(home.path);
    names.receiver = await Receiver.start();
    stops.push(() => names.receiver.stop());
    names.proxy = await Proxy.start(names.receiver, [`--tls-cert=${cert}`, `--tls-key=${key}`, ...flags]);
    stops.push(() => names.proxy.stop());
    names.files = {};
    const options = { key: fs.readFileSync(key), cert: fs.readFileSync(cert) };
    const server = https.createServer(options, (request, response) => names.answer(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    stops.push(() => {
      server.closeAllConnections();
      server.close();
    });
    const shop = server.address().port;
    const browser = await start([
      `--host-resolver-rules=MAP metrics.example.com:443 127.0.0.1:${names.proxy.port},MAP shop.example.com:443 127.0.0.1:${shop}`,
      `--ip-address-space-overrides=127.0.0.1:${names.proxy.port}=${space},127.0.0.1:${shop}=public`,
    ]);
    stops.push(() => browser.close());
    names.context = await browser.newContext({ ignoreHTTPSErrors: true });
    names.faults = [];
    return names;
  }

  /** Serves a file of the shop: its content, or a function that has it made for each request. */
  serve(name, type, content, headers = {}) {
    this.files[name] = { type, content, headers };
  }

  answer(request, response) {
    const file = this.files[request.url];
    if (file === undefined) {
      response.writeHead(404).end();
      return;
    }
    const content = typeof file.content === 'function' ? file.content() : file.content;
    response.writeHead(200, { 'Content-Type': file.type, 'Cache-Control': 'no-store', ...file.headers }).end(content);
  }

  /** Opens a page of the shop. What it throws, and what its policy forbids, is kept. */
  async open(address = '/') {
    const page = await this.context.newPage();
    page.on('pageerror', (error) => this.faults.push(String(error)));
    page.on('console', (message) => message.type() === 'error' && this.faults.push(message.text()));
    await page.goto(SHOP + address);
    return page;
  }
}

module.exports = { Names, SHOP };
