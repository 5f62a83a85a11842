// Tokens (JWT), as an application signs them for its users.

import { createHmac, generateKeyPairSync, sign } from 'node:crypto';

export const SECRET = 'a secret of the tests that is long enough';

// now is the time in Unix seconds.
export const now = () => Math.floor(Date.now() / 1000);

const part = (value) => Buffer.from(value).toString('base64url');

// signed returns a token of the claims, of which it is issued now; it is good for an hour if they do not say for how long.
// signature makes the signature of a text.
function signed(header, claims, signature) {
  const text = [{ typ: 'JWT', ...header }, { iat: now(), exp: now() + 3600, ...claims }]
    .map((value) => part(JSON.stringify(value))).join('.');
  return `${text}.${part(signature(text))}`;
}

// token is a token by the secret that node and application share.
export function token(claims, secret = SECRET) {
  return signed({ alg: 'HS256' }, claims, (text) => createHmac('sha256', secret).update(text).digest());
}

const algorithms = {
  RS256: { type: 'rsa', options: { modulusLength: 2048 }, digest: 'sha256' },
  ES256: { type: 'ec', options: { namedCurve: 'P-256' }, digest: 'sha256' },
  EdDSA: { type: 'ed25519', options: {}, digest: null },
};

// A Signer signs by a key pair of its own, of which nodes get the public half: as `pem`, or as `jwk` for a key set.
export class Signer {
  #key;
  #digest;

  constructor(alg, kid) {
    const { type, options, digest } = algorithms[alg];
    const { privateKey, publicKey } = generateKeyPairSync(type, options);
    [this.alg, this.kid, this.#key, this.#digest] = [alg, kid, privateKey, digest];
    this.pem = publicKey.export({ type: 'spki', format: 'pem' });
    this.jwk = { ...publicKey.export({ format: 'jwk' }), alg, kid, use: 'sig' };
  }

  token(claims) {
    return signed({ alg: this.alg, kid: this.kid }, claims, (text) => sign(this.#digest, Buffer.from(text), {
      key: this.#key, dsaEncoding: 'ieee-p1363', // RFC 7518 section 3.4
    }));
  }
}
