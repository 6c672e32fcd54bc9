// Keeps every order it takes until the heap is full: node --max-old-space-size=64 --report-on-fatalerror oom.js
'use strict';
const orders = new Map();
for (let n = 0; ; n++) orders.set('order-' + n, { n, lines: new Array(16).fill(n), note: 'taken ' + n });
