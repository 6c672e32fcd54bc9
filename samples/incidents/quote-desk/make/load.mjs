// Constant load on quote-api: RATE quotes a second, 60 % of them accepted after
// one to three seconds, the rest never answered. Runs until it is stopped; a
// refused connection is counted and the schedule goes on.
import http from 'node:http';

const RATE = Number(process.env.RATE ?? 14);
const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
let seed = 20261121;
const random = () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
};
const PORTS = ['HAM', 'RTM', 'ANR', 'FXT', 'LEH', 'GDN', 'PIR', 'VLC', 'GOA', 'BCN', 'ALG', 'TNG', 'SIN', 'PUS', 'NGB', 'SZX', 'YOK', 'LAX', 'SAV', 'NYC', 'VAN', 'SSZ', 'CPT', 'DUR', 'MEL'];
const GOODS = ['machine parts', 'ceramic tiles', 'roasted coffee', 'bicycle frames', 'glass bottles', 'cotton yarn', 'solar panels'];

function manifest() {
  const size = 100_000 + Math.floor(random() * 100_000);
  let text = '';
  for (let line = 1; text.length < size; line += 1) {
    text += `${line},${GOODS[Math.floor(random() * GOODS.length)]},${1 + Math.floor(random() * 40)},${(random() * 900).toFixed(1)};`;
  }
  return text;
}

// A few dozen manifests are made once and sent in turn, so that the load costs
// little on the machine it shares with the service.
const MANIFESTS = Array.from({ length: 40 }, manifest);

let sent = 0;
let failed = 0;
function post(path, body) {
  return new Promise((resolve) => {
    const req = http.request({ host: '127.0.0.1', port: 8080, path, method: 'POST', agent, headers: { 'content-type': 'application/json', 'content-length': body.length } }, (res) => {
      let text = '';
      res.on('data', (d) => { text += d; });
      res.on('end', () => resolve(text));
    });
    req.on('error', () => { failed += 1; resolve(null); });
    req.end(body);
    sent += 1;
  });
}

async function quote() {
  const lane = `${PORTS[Math.floor(random() * 25)]}-${PORTS[Math.floor(random() * 25)]}`;
  const text = await post('/quotes', JSON.stringify({ shipper: `S${1000 + Math.floor(random() * 900)}`, lane, manifest: MANIFESTS[sent % MANIFESTS.length] }));
  if (!text || random() >= 0.6) return;
  const { id } = JSON.parse(text);
  setTimeout(() => post(`/quotes/${id}/accept`, ''), 1000 + random() * 2000);
}

setInterval(quote, 1000 / RATE);
setInterval(() => console.log(new Date().toISOString(), { sent, failed }), 30_000);
