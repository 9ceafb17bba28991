// Forwards every request to the proxy, and records requests and answers: only the wire shows preflights. Tests stop it and
// start it again on its port, as a proxy that is down for a while.
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const { once } = require('node:events');

class Forwarder {
  static async start(proxy) {
    const forwarder = new Forwarder();
    forwarder.target = proxy.port;
    forwarder.port = 0;
    forwarder.requests = [];
    /** The part of each answer to a POST that waits for `release`: `nothing`, `answer`, or `body`, without the head. */
    forwarder.hold = 'nothing';
    forwarder.held = [];
    await forwarder.start();
    return forwarder;
  }

  get origin() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Returns the requests of a method, in the order of their arrival. */
  of(method) {
    return this.requests.filter((request) => request.method === method);
  }

  async start() {
    this.server = http.createServer((request, response) => this.forward(request, response));
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = this.server.address().port;
  }

  async stop() {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  /** Sends the answers that wait, and lets later ones pass. */
  release() {
    this.hold = 'nothing';
    for (const go of this.held.splice(0)) {
      go();
    }
  }

  answer(method, answer, response) {
    const head = () => response.writeHead(answer.statusCode, answer.rawHeaders);
    const hold = method === 'POST' ? this.hold : 'nothing';
    if (hold === 'answer') {
      this.held.push(() => answer.pipe(head()));
    } else if (hold === 'body') {
      head().flushHeaders();
      this.held.push(() => answer.pipe(response));
    } else {
      answer.pipe(head());
    }
  }

  async forward(request, response) {
    // CLIENT_SCRIPT replaces the client that the proxy was built with.
    if (request.url === '/client.js' && process.env.CLIENT_SCRIPT) {
      response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(fs.readFileSync(process.env.CLIENT_SCRIPT));
      return;
    }
    const chunks = [];
    try {
      for await (const chunk of request) {
        chunks.push(chunk);
      }
    } catch {
      // The browser has cancelled the request.
      return;
    }
    const body = Buffer.concat(chunks);
    const { method, url, headers } = request;
    const seen = { method, url: new URL(url, this.origin), headers, body: body.toString(), bytes: body.length };
    this.requests.push(seen);
    const onward = http.request({ host: '127.0.0.1', port: this.target, method, path: url, headers, agent: false });
    onward.on('response', (answer) => {
      seen.status = answer.statusCode;
      this.answer(method, answer, response);
    });
    onward.on('error', () => response.destroy());
    onward.end(body);
  }
}

module.exports = { Forwarder };
