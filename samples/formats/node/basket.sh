#!/usr/bin/env bash
# Makes two heap snapshots of a bundled and minified program and its source map: basket.ts through esbuild, run by Node 20.
# Needs node, and esbuild on PATH. Run it in this folder; it works in /srv/basket.
set -euo pipefail
here=$(pwd)
mkdir -p /srv/basket && cp basket.ts /srv/basket/ && cd /srv/basket
esbuild basket.ts --bundle --minify --platform=node --format=cjs --sourcemap --outfile=basket.js --log-level=error
cat >main.js <<'J'
'use strict';
const { visit } = require('./basket.js');
const { writeHeapSnapshot } = require('v8');
visit(0, 500);
writeHeapSnapshot('basket.t0.heapsnapshot');
visit(500, 1500);
writeHeapSnapshot('basket.t1.heapsnapshot');
J
env -i PATH=/usr/bin:/bin node main.js
gzip -9 -n -c basket.t0.heapsnapshot >"$here/basket.t0.heapsnapshot.gz"
gzip -9 -n -c basket.t1.heapsnapshot >"$here/basket.t1.heapsnapshot.gz"
cp basket.js.map "$here/"
