// node --expose-gc record.js OUTDIR (Node 20): a snapshot of a process that remembers every visit, and a recording of its allocations
// from then on; taken from inside the process, as most services do it, so that the recording's header counts too few traced
// functions. The snapshot stands beside those of its own format.
'use strict';
const fs = require('fs');
const path = require('path');
const zlib = require('zlib');
const inspector = require('inspector');

class Visit {
  constructor(n) {
    this.page = `/page/${n}`;
    this.seconds = n + 0.5;
  }
}
const visits = [];
function remember(n) {
  visits.push(new Visit(n));
}
function handleRequest(n) {
  remember(n);
}

const session = new inspector.Session();
session.connect();
const call = (method, params) => new Promise((done, fail) => session.post(method, params, (e, r) => (e ? fail(e) : done(r))));

// Both calls send the file in pieces.
async function save(file, method) {
  const chunks = [];
  const add = (m) => chunks.push(m.params.chunk);
  session.on('HeapProfiler.addHeapSnapshotChunk', add);
  await call(method, { reportProgress: false });
  session.removeListener('HeapProfiler.addHeapSnapshotChunk', add);
  fs.writeFileSync(file, zlib.gzipSync(chunks.join(''), { level: 9 }));
}

async function serve(first) {
  for (let n = 0; n < 1000; n++) {
    handleRequest(first + n);
    if (n % 250 === 0) await new Promise((r) => setTimeout(r, 100));
  }
  global.gc();
}

(async () => {
  const out = process.argv[2] || '.';
  await serve(0);
  await save(path.join(out, 'visits.t0.heapsnapshot.gz'), 'HeapProfiler.takeHeapSnapshot');
  await call('HeapProfiler.startTrackingHeapObjects', { trackAllocations: true });
  await serve(1000);
  await save(path.join(out, 'visits.t1.heaptimeline.gz'), 'HeapProfiler.stopTrackingHeapObjects');
  process.exit(0);
})();
