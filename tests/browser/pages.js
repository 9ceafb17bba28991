// A server of pages, whose site is another than the proxy's: `localhost` and not `127.0.0.1`. What its pages may do is
// bounded by a strict Content-Security-Policy, which has the proxy in it and nothing else.
'use strict';

const { randomBytes } = require('node:crypto');
const { once } = require('node:events');
const http = require('node:http');

class Pages {
  static async start(proxyOrigin) {
    const pages = new Pages();
    pages.proxyOrigin = proxyOrigin;
    pages.scripts = [];
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

  answer(request, response) {
    const script = this.scripts[Number(request.url.slice(1))];
    if (script === undefined) {
      response.writeHead(404).end();
      return;
    }
    const nonce = randomBytes(16).toString('base64');
    response.writeHead(200, {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy':
        `default-src 'none'; script-src 'nonce-${nonce}' ${this.proxyOrigin}; connect-src ${this.proxyOrigin}`,
    });
    response.end(
      `<!doctype html><title>A page</title><script src="${this.proxyOrigin}/client.js"></script>` +
        `<script nonce="${nonce}">${script}</script>`,
    );
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

module.exports = { Pages };
