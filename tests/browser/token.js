// JSON Web Tokens, signed with the secret that the tests give to the proxy.
'use strict';

const { createHmac } = require('node:crypto');

const SECRET = 'a secret of more than thirty-two bytes';

/** A token that expires in this number of seconds, which may be a fraction or negative. */
function token(seconds = 600) {
  const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const message = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ exp: Date.now() / 1000 + seconds })}`;
  return `${message}.${createHmac('sha256', SECRET).update(message).digest('base64url')}`;
}

module.exports = { SECRET, token };
