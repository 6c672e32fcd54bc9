// Opens a report in headless Chromium and says what a reader would suffer from.
//
// usage: page.mjs [--shots FOLDER] REPORT.html...
//
// Per file: four views (1280 and 420 px wide, light and dark) must load nothing
// but the file, log no error, have no axe violation and no sideways scrolling;
// the same text must be there with scripts switched off; under the policy that
// Jenkins puts on archived pages the text and the charts must survive; nothing in
// the file may be executable. NODE_PATH-like lookup: packages are taken from the
// folder in POSTMEM_CI_MODULES.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const load = createRequire(join(process.env.POSTMEM_CI_MODULES ?? process.cwd(), 'package.json'));
const { chromium } = load('playwright-core');
const axeSource = readFileSync(load.resolve('axe-core/axe.min.js'), 'utf8');
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const JENKINS = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self'";
const INLINE = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";
const LARGEST = 10 * 1024 * 1024;

const args = process.argv.slice(2);
const shots = args[0] === '--shots' ? resolve(args.splice(0, 2)[1]) : null;
let failures = 0;
function fail(file, where, what) {
  failures += 1;
  console.log(`FAIL ${basename(file)} [${where}] ${what}`);
}

// Records what the page asks for and what it complains about.
function watch(page, own) {
  const seen = { foreign: [], errors: [] };
  page.on('request', (r) => {
    if (r.url().split('#')[0] !== own && !r.url().startsWith('data:')) seen.foreign.push(r.url());
  });
  page.on('console', (m) => m.type() === 'error' && seen.errors.push(m.text()));
  page.on('pageerror', (e) => seen.errors.push(String(e)));
  return seen;
}

const words = (page) => page.evaluate(() => document.body.innerText.replace(/\s+/g, ' ').trim());
const charts = (page) => page.evaluate(() => [...document.querySelectorAll('svg')].filter((s) => s.checkVisibility()).map((s) => ({
  width: s.getBoundingClientRect().width,
  painted: s.querySelectorAll('[fill]:not([fill="none"]), [stroke]:not([stroke="none"])').length,
})));

async function views(browser, file) {
  let text = '';
  for (const width of [1280, 420]) {
    for (const colorScheme of ['light', 'dark']) {
      const where = `${width} px, ${colorScheme}`;
      const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
      const page = await context.newPage();
      const own = pathToFileURL(file).href;
      const seen = watch(page, own);
      await page.goto(own, { waitUntil: 'load' });
      await page.evaluate(axeSource);
      for (const open of [false, true]) {
        if (open) await page.evaluate(() => document.querySelectorAll('details').forEach((d) => { d.open = true; }));
        const state = open ? `${where}, details open` : where;
        const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
        for (const v of violations) fail(file, state, `axe ${v.id} (${v.impact}) ×${v.nodes.length}: ${v.nodes[0].target.join(' ')}`);
        const [scroll, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        if (scroll > inner) fail(file, state, `scrolls sideways: ${scroll} px of content in ${inner}`);
        if (shots) await page.screenshot({ path: join(shots, `${basename(file, '.html')}-${width}-${colorScheme}${open ? '-open' : ''}.png`), fullPage: true });
      }
      text ||= await words(page);
      for (const url of seen.foreign) fail(file, where, `asks for ${url}`);
      for (const error of seen.errors) fail(file, where, `console: ${error}`);
      await context.close();
    }
  }
  return text;
}

async function withoutScripts(browser, file, expected) {
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  await page.goto(pathToFileURL(file).href);
  const executable = await page.evaluate(() => {
    const bad = [];
    for (const s of document.querySelectorAll('script')) if (!/json/.test(s.type)) bad.push('<script>');
    for (const e of document.querySelectorAll('iframe, object, embed, link, base, meta[http-equiv="refresh" i]')) bad.push(`<${e.localName}>`);
    for (const e of document.querySelectorAll('*')) {
      for (const { name, value } of e.attributes) {
        if (/^on/i.test(name)) bad.push(`${e.localName}[${name}]`);
        if (/^\s*(javascript|vbscript):/i.test(value)) bad.push(`${e.localName}[${name}=${value.slice(0, 30)}]`);
      }
    }
    return bad;
  });
  for (const what of new Set(executable)) fail(file, 'content', `executable or foreign: ${what}`);
  await page.evaluate(() => document.querySelectorAll('details').forEach((d) => { d.open = true; }));
  const got = await words(page);
  if (got !== expected) fail(file, 'scripts off', `text differs: ${got.length} characters, ${expected.length} with scripts`);
  if (got.length < 400) fail(file, 'scripts off', `only ${got.length} characters of text`);
  await context.close();
}

async function underPolicy(browser, file, policy, where, styled, expected) {
  const server = createServer((_, res) => {
    res.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy });
    res.end(readFileSync(file));
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const own = `http://127.0.0.1:${server.address().port}/report.html`;
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const seen = watch(page, own);
  await page.goto(own, { waitUntil: 'load' });
  // Without styles a browser says so once per style: that is the policy at work.
  const errors = seen.errors.filter((e) => !/favicon/.test(e) && (styled || !/style/i.test(e)));
  for (const error of errors) fail(file, where, `console: ${error}`);
  for (const url of seen.foreign.filter((u) => !u.endsWith('/favicon.ico'))) fail(file, where, `asks for ${url}`);
  const drawn = await charts(page);
  if (drawn.length === 0) fail(file, where, 'no chart');
  drawn.forEach((c, i) => {
    if (c.width === 0 || c.painted === 0) fail(file, where, `chart ${i + 1} is ${c.width} px wide with ${c.painted} painted parts`);
  });
  await page.evaluate(() => document.querySelectorAll('details').forEach((d) => { d.open = true; }));
  const got = await words(page);
  if (got.length < expected.length * 0.95) fail(file, where, `text is lost: ${got.length} of ${expected.length} characters`);
  if (shots) await page.screenshot({ path: join(shots, `${basename(file, '.html')}-${where.replace(/\W+/g, '-')}.png`), fullPage: true });
  await context.close();
  server.close();
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
try {
  for (const file of args.map((a) => resolve(a))) {
    const before = failures;
    const size = readFileSync(file).length;
    if (size > LARGEST) fail(file, 'size', `${size} bytes, budget ${LARGEST}`);
    const text = await views(browser, file);
    await withoutScripts(browser, file, text);
    await underPolicy(browser, file, INLINE, 'inline styles only', true, text);
    await underPolicy(browser, file, JENKINS, 'Jenkins policy', false, text);
    if (failures === before) console.log(`ok   ${basename(file)}: ${(size / 1024).toFixed(0)} KiB, ${text.length} characters, 4 views, 0 requests, 0 errors, 0 axe violations`);
  }
} finally {
  await browser.close();
}
process.exit(failures ? 1 : 0);
