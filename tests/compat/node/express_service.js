'use strict';
// The Express half of express_service_test.py: logins as examples/service has them, by the same sessions and tokens.
const express = require('express');
const session = require('express-session');
const jwt = require('jsonwebtoken');
const { RedisStore } = require('connect-redis');
const { createClient } = require('redis');

async function main() {
  const client = createClient({ url: process.env.REDIS_URL });
  await client.connect();
  const app = express();
  app.use(express.json());
  app.use(session({
    store: new RedisStore({ client }),
    secret: process.env.SESSION_SECRET,
    resave: false,
    saveUninitialized: false,
  }));

  app.post('/login', (req, res, next) => {
    req.session.regenerate((error) => {
      if (error) return next(error);
      req.session.userId = req.body.id;
      const claims = { ver: 0, role: 'user' };
      const opts = { subject: String(req.body.id), expiresIn: '1h' };
      res.json({ token: jwt.sign(claims, process.env.JWT_SECRET, opts) });
    });
  });

  app.get('/me', (req, res) => {
    const [scheme, token] = (req.headers.authorization || '').split(' ');
    try {
      const id = scheme === 'Bearer' ? Number(jwt.verify(token, process.env.JWT_SECRET).sub) : req.session.userId;
      if (!id) return res.sendStatus(401);
      res.json({ id });
    } catch {
      res.sendStatus(401);
    }
  });

  app.post('/logout', (req, res, next) => {
    req.session.destroy((error) => (error ? next(error) : res.sendStatus(204)));
  });

  const server = app.listen(0, '127.0.0.1', () => {
    console.log(`listening on http://127.0.0.1:${server.address().port}`);
  });
}

main();
