'use strict';
// Makes leaks.t0 to leaks.t2.heapsnapshot.gz: one small program with several leaks side by side and bounded look-alikes.
// node --expose-gc leaks.js [DIR], made with Node.js 12.22.12 (small snapshots); needs gzip. Everything in it is invented.
const EventEmitter = require('events');
const { execFileSync } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');
const v8 = require('v8');

const dir = process.argv[2] || __dirname;
let n = 0;

// One leak in many small lists.
class ChatMessage { constructor(i) { this.text = 'message ' + i; this.at = i; } }
class ChatRoom { constructor() { this.messages = []; } }
class ChatServer { constructor() { this.rooms = new Map(); for (let i = 0; i < 25; i++) this.rooms.set('room ' + i, new ChatRoom()); } }
const chat = new ChatServer();
// Listeners that are never removed.
class RateFeed extends EventEmitter {}
const rates = new RateFeed();
rates.setMaxListeners(0);
class RateWatcher { constructor(i) { this.name = 'watcher ' + i; rates.on('rate', () => this.name); } }
// Calls that wait for ever.
const never = new Promise(() => {});
class StockQuery { constructor(i) { this.sku = 'sku ' + i; } }
async function answer(i) { const query = new StockQuery(i); await never; return query.sku; }
// Timers that are never cleared.
class LeaseKeeper { constructor(i) { this.lease = 'lease ' + i; this.timer = setInterval(() => this.lease, 1e8); } }
// Modules loaded under ever new names.
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'leaks-'));
// Bounded: the oldest goes; filled once.
class RecentPage { constructor(i) { this.body = 'page ' + i; } }
const recent = new Map();
const countries = new Map();

const sleep = ms => new Promise(done => setTimeout(done, ms));
(async () => {
  for (let step = 0; step < 3; step++) {
    for (let i = 0; i < 600; i++, n++) {
      chat.rooms.get('room ' + (i % 25)).messages.push(new ChatMessage(n));
      recent.set(n, new RecentPage(n));
      if (recent.size > 400) recent.delete(recent.keys().next().value);
      if (i % 2 === 0) new RateWatcher(n);
      if (i % 2 === 0) new LeaseKeeper(n);
      if (i % 3 === 0) answer(n);
    }
    for (let i = 0; i < 60; i++) {
      const file = path.join(scratch, 'template' + n++ + '.js');
      fs.writeFileSync(file, 'module.exports = function render(d) { return d + ' + n + '; };');
      require(file);
    }
    if (step === 1) for (let i = 0; i < 200; i++) countries.set(i, { code: i, name: 'country ' + i });
    await sleep(20); gc(); await sleep(10); gc();
    const file = path.join(dir, 'leaks.t' + step + '.heapsnapshot');
    v8.writeHeapSnapshot(file);
    execFileSync('gzip', ['-9nf', file]);
  }
  fs.rmdirSync(scratch, { recursive: true });
  process.exit(0);
})();
