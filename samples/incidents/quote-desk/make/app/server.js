'use strict';

const http = require('node:http');
const v8 = require('node:v8');
const client = require('prom-client');
const { QuoteDesk } = require('./lib/quote-desk');
const { TariffBook } = require('./lib/tariff-book');

const desk = new QuoteDesk();
const tariffs = new TariffBook();

client.collectDefaultMetrics();
const requests = new client.Counter({
  name: 'http_requests_total',
  help: 'Requests answered',
  labelNames: ['route', 'code'],
});

function log(level, msg, fields) {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), level, msg, ...fields })}\n`);
}

function price(sheet, manifest) {
  let kg = 0;
  for (let at = manifest.indexOf(';'); at >= 0; at = manifest.indexOf(';', at + 1)) kg += 1;
  return [0, 12, 47].map((band) => Math.round(sheet.ratesPerKg[band] * kg * 100));
}

function readJson(req) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    req.on('data', (chunk) => chunks.push(chunk));
    req.on('end', () => {
      try {
        resolve(JSON.parse(Buffer.concat(chunks).toString('latin1')));
      } catch (error) {
        reject(error);
      }
    });
    req.on('error', reject);
  });
}

function answer(res, route, code, body) {
  requests.inc({ route, code });
  res.writeHead(code, { 'content-type': 'application/json' });
  res.end(JSON.stringify(body));
}

async function handle(req, res) {
  if (req.method === 'POST' && req.url === '/quotes') {
    const { shipper, lane, manifest } = await readJson(req);
    const offers = price(tariffs.sheet(lane), manifest);
    const quote = desk.open(shipper, lane, manifest, offers);
    return answer(res, '/quotes', 201, { id: quote.id, offers });
  }
  const accept = /^\/quotes\/([0-9a-f-]{36})\/accept$/.exec(req.url);
  if (req.method === 'POST' && accept) {
    const quote = desk.accept(accept[1]);
    return answer(res, '/quotes/:id/accept', quote ? 200 : 410, { accepted: Boolean(quote) });
  }
  if (req.url === '/metrics') {
    res.writeHead(200, { 'content-type': client.register.contentType });
    return res.end(await client.register.metrics());
  }
  if (req.url === '/healthz') return answer(res, '/healthz', 200, { ok: true });
  if (req.method === 'POST' && req.url === '/debug/heap-snapshot') {
    const file = v8.writeHeapSnapshot();
    log('info', 'heap snapshot written', { file });
    return answer(res, '/debug/heap-snapshot', 200, { file });
  }
  return answer(res, 'other', 404, { error: 'not found' });
}

const server = http.createServer((req, res) => {
  handle(req, res).catch((error) => {
    log('error', 'request failed', { url: req.url, error: error.message });
    answer(res, 'other', 500, { error: 'internal' });
  });
});

server.listen(8080, () => log('info', 'listening', { port: 8080, version: '1.14.0', node: process.version }));

setInterval(() => {
  const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  log('info', 'memory', { rss, heapTotal, heapUsed, external, arrayBuffers, openQuotes: desk.openQuotes.size, accepted: desk.accepted });
}, 10_000).unref();
