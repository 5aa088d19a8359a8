'use strict';
// The Node side of session_express_test.py; ../session_server.c has the same routes and settings.
const express = require('express');
const session = require('express-session');
const { RedisStore } = require('connect-redis');
const { createClient } = require('redis');

const odd = { text: 'a\u0000b \ud800 \u20ac "\\', number: 1.5e300, deep: [[[{}]]], none: null };

async function main() {
  const client = createClient({ url: process.env.REDIS_URL });
  await client.connect();
  const maxAge = process.env.MAX_AGE ? Number(process.env.MAX_AGE) : undefined;
  const app = express();
  app.use(session({
    store: new RedisStore({ client }),
    secret: process.env.SECRETS.split(','),
    resave: false,
    saveUninitialized: false,
    rolling: Boolean(process.env.ROLLING),
    cookie: maxAge ? { maxAge } : {},
  }));
  app.get('/show', (req, res) => {
    res.json({ views: req.session.views || 0, user: req.session.user || null });
  });
  app.post('/count', (req, res) => {
    req.session.views = (req.session.views || 0) + 1;
    res.sendStatus(204);
  });
  app.post('/login', (req, res, next) => {
    req.session.regenerate((error) => {
      if (error) return next(error);
      req.session.user = req.query.user;
      res.sendStatus(204);
    });
  });
  app.post('/logout', (req, res, next) => {
    req.session.destroy((error) => (error ? next(error) : res.sendStatus(204)));
  });
  // Values that not every reader of JSON takes, and whether they are still what they were.
  app.post('/odd', (req, res) => {
    req.session.odd = odd;
    res.sendStatus(204);
  });
  app.get('/odd', (req, res) => {
    res.json(JSON.stringify(req.session.odd) === JSON.stringify(odd));
  });
  const server = app.listen(0, '127.0.0.1', () => {
    console.log(`listening on http://127.0.0.1:${server.address().port}`);
  });
}

main();
