// A server of pages, whose site is another than the proxy's: `localhost` and not `127.0.0.1`. What its pages may do is
// bounded by a strict Content-Security-Policy, which has the proxy in it, their own site, and nothing else.
'use strict';

const { randomBytes } = require('node:crypto');
const { once } = require('node:events');
const http = require('node:http');

/** Records what is thrown and what the policy forbids, from the page's beginning: not every driver tells. */
const RECORDER = `
  var recorded = [];
  addEventListener('error', (event) => recorded.push('uncaught ' + (event.error?.stack ?? event.message)));
  addEventListener('unhandledrejection', (event) => recorded.push('unhandled ' + (event.reason?.stack ?? event.reason)));
  addEventListener('securitypolicyviolation', (event) => {
    recorded.push('Content Security Policy: ' + event.violatedDirective + ' forbids ' + event.blockedURI);
    // Of an eval that is caught, the console says nothing.
    console.error(recorded.at(-1));
  });
`;

class Pages {
  static async start(proxyOrigin) {
    const pages = new Pages();
    pages.proxyOrigin = proxyOrigin;
    pages.scripts = [];
    /** Functions that a page may call by `fetch('/name')`; each returns a text, or a promise of one. */
    pages.functions = {};
    pages.server = http.createServer((request, response) => pages.answer(request, response));
    pages.server.listen(0, 'localhost');
    await once(pages.server, 'listening');
    return pages;
  }

  /** The address of a page that loads the client from the proxy, and then runs a script. */
  address(script = '') {
    this.scripts.push(script);
    return `http://localhost:${this.server.address().port}/${this.scripts.length - 1}`;
  }

  async answer(request, response) {
    const name = request.url.slice(1);
    if (Object.hasOwn(this.functions, name)) {
      const text = await this.functions[name]();
      response.writeHead(200, { 'Content-Type': 'text/plain', 'Cache-Control': 'no-store' }).end(text);
      return;
    }
    const script = this.scripts[Number(name)];
    if (script === undefined) {
      response.writeHead(404).end();
      return;
    }
    const nonce = randomBytes(16).toString('base64');
    response.writeHead(200, {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy':
        `default-src 'none'; script-src 'nonce-${nonce}' ${this.proxyOrigin}; connect-src 'self' ${this.proxyOrigin}; ` +
        // Firefox asks for it when it restores a page, whatever that has for an icon.
        "img-src 'self' data:",
    });
    response.end(
      `<!doctype html><title>A page</title><link rel="icon" href="data:,"><script nonce="${nonce}">${RECORDER}</script>` +
        `<script src="${this.proxyOrigin}/client.js"></script><script nonce="${nonce}">${script}</script>`,
    );
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

module.exports = { Pages };
