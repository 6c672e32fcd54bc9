// Leaks of the kinds that services have, in one program, with what looks like a leak beside them. Node.js 20:
//   node --expose-gc services.js OUTDIR && gzip -9n OUTDIR/*.heapsnapshot
// A step adds: 300 settled promises in a loader's Map, 150 tokens cut from bodies of 4,000 characters, 200 sessions under
// keys that are secrets, 20 members in each of 14 rooms, 250 subscribers of a topic, 40 compiled validators, 300 items of a
// list that only a WeakMap leads to. Functions that get hot in between are optimised; they are no leak.
const v8 = require('v8');
const path = require('path');
const crypto = require('crypto');

class Loader {
  cache = new Map();
  load(id) {
    if (!this.cache.has(id)) this.cache.set(id, Promise.resolve({ id, rows: [id, id + 1], etag: 'e' + id }));
    return this.cache.get(id);
  }
}
class MemoryStore {
  sessions = Object.create(null);
  set(key, user) { this.sessions[key] = { user, seen: 'now ' + user }; }
}
class Member { constructor(n) { this.nick = 'nick' + n; this.since = [n, n]; } }
class Topic {
  _subscribers = [];
  subscribe(fn) { this._subscribers = this._subscribers.concat([fn]); }
}
class Viewer { constructor(n) { this.n = n; this.pages = new Array(20).fill(n); } refresh() { this.n++; } }
class Ledger { constructor() { items.set(this, []); } add(n) { items.get(this).push(new Posting(n)); } }
class Posting { constructor(n) { this.amount = n + 0.5; this.text = 'posting number ' + n; } }

const items = new WeakMap();
const loader = new Loader();
const tokens = new Map();
const store = new MemoryStore();
const rooms = {};
const topic = new Topic();
const validators = new Map();
const ledger = new Ledger();
let n = 0;

function watch(viewer) { topic.subscribe(() => viewer.refresh()); }
function hot(k) { let s = 0; for (let i = 0; i < 4000; i++) s += (i * k) % 7; return s; }
const busy = [1, 2, 3].map(k => x => { let s = x; for (let i = 0; i < 3000; i++) s = (s * 31 + i + k) & 0xffff; return s; });

async function step(i) {
  for (let k = 0; k < 300; k++) await loader.load(n++);
  for (let k = 0; k < 150; k++) {
    const body = 'token=' + crypto.randomBytes(16).toString('hex') + '&' + 'x'.repeat(4000) + (n++);
    tokens.set('request ' + n, body.slice(6, 38));
  }
  for (let k = 0; k < 200; k++) store.set(crypto.randomBytes(12).toString('hex'), 'user ' + n++);
  for (let k = 0; k < 280; k++) {
    const room = 'room-' + (k % 14);
    (rooms[room] = rooms[room] || { name: room, members: [] }).members.push(new Member(n++));
  }
  for (let k = 0; k < 250; k++) watch(new Viewer(n++));
  for (let k = 0; k < 40; k++) {
    const fields = Array.from({ length: 12 }, (_, f) => `if (typeof o.f${f} !== 'string') return 'f${f} of ${n}';`).join('\n');
    const fn = new Function('o', fields + 'return null;');
    fn({ f0: 'a' });
    validators.set('schema ' + n++, fn);
  }
  for (let k = 0; k < 300; k++) ledger.add(n++);
  for (let k = 0; k < 20 * (i + 1); k++) { hot(k); busy[i % 3](k); }
}

(async () => {
  await step(0);
  for (let i = 0; i < 3; i++) {
    await step(i);
    gc();
    v8.writeHeapSnapshot(path.join(process.argv[2], `services.t${i}.heapsnapshot`));
  }
  module.exports = { loader, tokens, store, rooms, topic, validators, ledger };
})();
