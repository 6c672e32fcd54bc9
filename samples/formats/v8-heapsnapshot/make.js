// Makes listeners.heapsnapshot.gz: node --expose-gc make.js (Node 20). 25 objects of a class of the program, each kept by a
// listener on one emitter. Generated data only.
'use strict';
const { EventEmitter } = require('events');
const v8 = require('v8');
const fs = require('fs');
const zlib = require('zlib');
class Subscription { constructor(n) { this.n = n; this.body = new Array(8).fill(n); } }
globalThis.bus = new EventEmitter();
globalThis.bus.setMaxListeners(0);
for (let n = 0; n < 25; n++) {
  const s = new Subscription(n);
  globalThis.bus.on('changed', () => s.n);
}
globalThis.gc();
const file = v8.writeHeapSnapshot('listeners.heapsnapshot');
fs.writeFileSync('listeners.heapsnapshot.gz', zlib.gzipSync(fs.readFileSync(file), { level: 9 }));
fs.unlinkSync(file);
