'use strict';
// The Node side of jwt_node_test.py: a JSON command on each line, a JSON answer on each line, as ../jwt_probe.c.
const crypto = require('crypto');
const readline = require('readline');
const jose = require('jose');
const jsonwebtoken = require('jsonwebtoken');

const curves = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };

let rsa; // takes long to make, so there is one

function makePair(alg) {
  if (curves[alg]) return crypto.generateKeyPairSync('ec', { namedCurve: curves[alg] });
  if (alg === 'EdDSA') return crypto.generateKeyPairSync('ed25519');
  return rsa ||= crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
}

// A key for an algorithm, in all its spellings.
function makeKey(alg) {
  if (alg.startsWith('HS')) {
    const secret = crypto.randomBytes(Number(alg.slice(2)) / 8 / 2).toString('hex');
    return { secret, jwk: { kty: 'oct', k: Buffer.from(secret).toString('base64url') } };
  }
  const { privateKey, publicKey } = makePair(alg);
  return {
    jwk: privateKey.export({ format: 'jwk' }),
    publicJwk: publicKey.export({ format: 'jwk' }),
    pem: privateKey.export({ format: 'pem', type: 'pkcs8' }),
    publicPem: publicKey.export({ format: 'pem', type: 'spki' }),
  };
}

const plain = ({ secret, pem }) => secret || pem;

const libraries = {
  jose: {
    async sign({ jwk, alg, kid, claims, expires }) {
      const token = new jose.SignJWT(claims).setProtectedHeader({ alg, kid }).setIssuedAt();
      if (expires !== null) token.setExpirationTime(expires || '1h');
      return token.sign(await jose.importJWK(jwk, alg));
    },
    async verify({ jwk, alg, token, issuer, audience }) {
      const key = jwk.keys ? jose.createLocalJWKSet(jwk) : await jose.importJWK(jwk, alg);
      return (await jose.jwtVerify(token, key, { algorithms: alg && [alg], issuer, audience })).payload;
    },
  },
  jsonwebtoken: {
    sign({ alg, kid, claims, expires, ...key }) {
      const options = { algorithm: alg, ...(kid && { keyid: kid }), ...(expires !== null && { expiresIn: expires || '1h' }) };
      return jsonwebtoken.sign(claims, plain(key), options);
    },
    verify({ alg, token, issuer, audience, ...key }) {
      return jsonwebtoken.verify(token, plain(key), { algorithms: [alg], issuer, audience });
    },
  },
};

async function obey({ do: verb, library, ...command }) {
  return verb === 'key' ? makeKey(command.alg) : libraries[library][verb](command);
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const answer = await obey(JSON.parse(line)).then((result) => ({ result }), (error) => ({ error: error.message }));
    console.log(JSON.stringify(answer));
  }
}

main();
