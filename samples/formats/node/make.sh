#!/usr/bin/env bash
# Makes a diagnostic report, a sampling heap profile and a source map of one small program: app.ts,
# bundled by esbuild and run by Node 20. Needs node, esbuild on PATH, root (for a host name of its own); run it in this
# folder. Random in it: times, ids, sizes.
set -euo pipefail
here=$(pwd)
rm -rf /srv/app && mkdir -p /srv/app
cp "$(readlink -f "$(which node)")" /srv/app/node
cp app.ts /srv/app/
(cd /srv/app && esbuild app.ts --bundle --minify --platform=node --format=cjs --sourcemap --outfile=app.js --log-level=error)
cat >/srv/app/record.js <<'J'
'use strict';
const { Session } = require('inspector');
const fs = require('fs');
const app = require('./app.js');
const s = new Session();
s.connect();
const post = (method, params) => new Promise((done, failed) => s.post(method, params, (e, r) => (e ? failed(e) : done(r))));
(async () => {
  await post('HeapProfiler.startSampling', { samplingInterval: 4096 });
  app.serve(2000);
  const { profile } = await post('HeapProfiler.stopSampling');
  fs.writeFileSync('app.heapprofile', JSON.stringify(profile));
  await new Promise((done) => setTimeout(done, 300));
  process.report.excludeNetwork = true;
  process.report.writeReport('report.json');
})();
J
cd /srv/app
env -i PATH=/usr/bin:/bin unshare --uts bash -c 'hostname worker-3; exec ./node record.js'
# The kernel is named without its builder.
sed -i 's/\("osRelease": "[0-9.]*\)[^"]*/\1/' report.json
cp report.json app.heapprofile "$here/"
cp app.js.map "$here/app.js.map"
cd "$here"
rm -rf /srv/app
