// The names of the documents, https://shop.example.com for pages and https://metrics.example.com for the proxy, on
// loopback, so that documented code runs unchanged: with TLS, with HTTP/2, and on two sites.
'use strict';

const { execFileSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const https = require('node:https');
const path = require('node:path');

const { launch } = require('./engine.js');
const { Home } = require('./engines/process.js');
const { Proxy } = require('./proxy.js');
const { Receiver } = require('./receiver.js');
const { Tunnel } = require('./tunnel.js');

const SHOP = 'https://shop.example.com';

/** Functions that pages of the shop have beside the documents' code. A driver's script has globals of its own. */
const FAULTS = `
  globalThis.fail = () => {
    setTimeout(() => {
      throw new Error('uncaught');
    });
    Promise.reject(new Error('unhandled'));
    Promise.reject(new Error('handled')).catch(() => {});
  };
`;

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
   * Starts a proxy, a server of pages and a browser. `space` is the network that Chromium takes the proxy's address for:
   * `public`, `local` or `loopback`. It takes the shop's for public. Other engines do not tell networks apart.
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
    names.files = { '/fail.js': { type: 'text/javascript', content: FAULTS } };
    const options = { key: fs.readFileSync(key), cert: fs.readFileSync(cert) };
    const server = https.createServer(options, (request, response) => names.answer(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    stops.push(() => {
      server.closeAllConnections();
      server.close();
    });
    const shop = server.address().port;
    const tunnel = await Tunnel.start({ 'metrics.example.com:443': names.proxy.port, 'shop.example.com:443': shop });
    stops.push(() => tunnel.stop());
    names.browser = await launch({
      proxy: tunnel.authority,
      switches: [
        `--host-resolver-rules=MAP metrics.example.com:443 127.0.0.1:${names.proxy.port},MAP shop.example.com:443 127.0.0.1:${shop}`,
        `--ip-address-space-overrides=127.0.0.1:${names.proxy.port}=${space},127.0.0.1:${shop}=public`,
      ],
    });
    stops.push(() => names.browser.close());
    return names;
  }

  /** Serves a file of the shop. `content` is a text, or a function that returns one for each request. */
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

  /** Opens a page of the shop. */
  async open() {
    this.page = await this.browser.open();
    await this.page.goto(`${SHOP}/`);
    return this.page;
  }

  /** The errors of the page: exceptions, violations of its policy, and in Chromium every error in the console. */
  async faults() {
    return [...(await this.page.faults()), ...(this.page.logged ?? [])];
  }
}

module.exports = { Names, SHOP };
