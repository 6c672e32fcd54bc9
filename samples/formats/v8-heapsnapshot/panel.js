'use strict';
// Two heap snapshots of a page that drops dialogs from its document but keeps them in a list, taken by headless Chromium
// over the DevTools protocol. Needs Node 22 or later and chromium on PATH. Run it in an empty folder of its own, then
// gzip -9 -n what it writes: panel.t0 and panel.t1.heapsnapshot.
const { spawn } = require('child_process');
const fs = require('fs');
const page = `<!doctype html><title>panel</title><main id="main"></main><script>
class Dialog {
  constructor(n) {
    this.root = document.createElement('section');
    for (let i = 0; i < 4; i++) {
      const row = document.createElement('p');
      row.textContent = 'row ' + n + '/' + i;
      this.root.append(row);
    }
  }
  open() { document.getElementById('main').append(this.root); }
  close() { this.root.remove(); }
}
class Dialogs {
  closed = [];
  show(n) { const d = new Dialog(n); d.open(); d.close(); this.closed.push(d); }
}
var dialogs = new Dialogs();
var shown = new Dialog('kept'); shown.open();
function work(n) { for (let i = 0; i < n; i++) dialogs.show(i); }
</script>`;
fs.writeFileSync('panel.html', page);
const dir = fs.mkdtempSync('/tmp/browser-');
const browser = spawn('chromium', ['--headless', '--no-sandbox', '--disable-gpu', '--disable-extensions', '--remote-debugging-port=0',
  '--user-data-dir=' + dir, 'file://' + process.cwd() + '/panel.html'], { stdio: ['ignore', 'ignore', 'pipe'] });
let log = '';
const port = new Promise((done) => browser.stderr.on('data', (d) => {
  log += d;
  const m = log.match(/ws:\/\/127\.0\.0\.1:(\d+)/);
  if (m) done(m[1]);
}));
(async () => {
  const p = await port;
  let target;
  while (!target) {
    const list = await (await fetch(`http://127.0.0.1:${p}/json/list`)).json();
    target = list.find((t) => t.type === 'page' && t.url.endsWith('panel.html'));
  }
  const ws = new WebSocket(target.webSocketDebuggerUrl);
  await new Promise((done) => ws.addEventListener('open', done));
  let id = 0, text = '';
  const waiting = new Map();
  ws.addEventListener('message', (e) => {
    const m = JSON.parse(e.data);
    if (m.method === 'HeapProfiler.addHeapSnapshotChunk') text += m.params.chunk;
    if (waiting.has(m.id)) waiting.get(m.id)(m.result ?? m.error);
  });
  const send = (method, params = {}) => new Promise((done) => { waiting.set(++id, done); ws.send(JSON.stringify({ id, method, params })); });
  await send('Runtime.enable');
  await send('HeapProfiler.enable');
  await send('Runtime.evaluate', { expression: 'work(10)' });
  for (let i = 0; i < 2; i++) {
    text = '';
    await send('HeapProfiler.collectGarbage');
    await send('HeapProfiler.takeHeapSnapshot', { reportProgress: false });
    fs.writeFileSync(`panel.t${i}.heapsnapshot`, text);
    if (i < 1) await send('Runtime.evaluate', { expression: 'work(250)' });
  }
  console.log((await send('Browser.getVersion')).product);
  ws.close();
  browser.kill();
})();
