// An HTTP proxy on loopback that knows a few names only: browsers that cannot map a name to an address send their HTTPS
// connections here by CONNECT (RFC 9110, section 9.3.6).
'use strict';

const { once } = require('node:events');
const http = require('node:http');
const net = require('node:net');

class Tunnel {
  /** `ports` maps each authority, such as `shop.example.com:443`, to a port on loopback. Others are refused with 502. */
  static async start(ports) {
    const tunnel = new Tunnel();
    tunnel.sockets = new Set();
    tunnel.server = http.createServer((request, response) => response.writeHead(502).end());
    tunnel.server.on('connect', (request, socket, head) => {
      tunnel.keep(socket);
      const port = ports[request.url];
      if (port === undefined) {
        socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
        return;
      }
      const onward = tunnel.keep(net.connect(port, '127.0.0.1'));
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.write(head);
      socket.pipe(onward).pipe(socket);
      socket.once('close', () => onward.destroy());
      onward.once('close', () => socket.destroy());
    });
    tunnel.server.listen(0, '127.0.0.1');
    await once(tunnel.server, 'listening');
    return tunnel;
  }

  /** The authority of the proxy, as `launch` takes it. */
  get authority() {
    return `127.0.0.1:${this.server.address().port}`;
  }

  keep(socket) {
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
    // Either side may reset its connection; `close` follows.
    socket.on('error', () => {});
    return socket;
  }

  stop() {
    this.server.close();
    for (const socket of this.sockets) {
      socket.destroy();
    }
  }
}

module.exports = { Tunnel };
