// A server of pages on another site than the proxy's: `localhost`, not `127.0.0.1`. A strict Content-Security-Policy allows
// its pages the proxy and their own site, and nothing else.
'use strict';

const { randomBytes } = require('node:crypto');
const { once } = require('node:events');
const http = require('node:http');

/** Records exceptions and policy violations from the page's beginning, which not every driver reports. */
const RECORDER = `
  var recorded = [];
  addEventListener('error', (event) => recorded.push('uncaught ' + (event.error?.stack ?? event.message)));
  addEventListener('unhandledrejection', (event) => recorded.push('unhandled ' + (event.reason?.stack ?? event.reason)));
  addEventListener('securitypolicyviolation', (event) => {
    recorded.push('Content Security Policy: ' + event.violatedDirective + ' forbids ' + event.blockedURI);
    // The console does not show the violation by an eval that the page catches.
    console.error(recorded.at(-1));
  });
`;

class Pages {
  static async start(proxyOrigin) {
    const pages = new Pages();
    pages.proxyOrigin = proxyOrigin;
    pages.scripts = [];
    /** Functions that a page calls by `fetch('/name')`. Each returns a text, or a promise of one. */
    pages.functions = {};
    pages.server = http.createServer((request, response) => pages.answer(request, response));
    pages.server.listen(0, 'localhost');
    await once(pages.server, 'listening');
    return pages;
  }

  /** Returns the address of a page that loads the client from the proxy, and then runs a script. */
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
        // Firefox requests the icon when it restores a page, even if the page has one in a `data:` URL.
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
