'use strict';

// Tariff sheets by lane, newest 400 kept. Sheets are computed here in place of
// a database; the cache in front of them is bounded and stays so.

const { LRUCache } = require('lru-cache');

const BANDS = 48;

class TariffSheet {
  constructor(lane) {
    this.lane = lane;
    let seed = 0;
    for (const c of lane) seed = (seed * 31 + c.charCodeAt(0)) >>> 0;
    this.ratesPerKg = new Float64Array(BANDS);
    for (let band = 0; band < BANDS; band += 1) {
      seed = (seed * 1664525 + 1013904223) >>> 0;
      this.ratesPerKg[band] = 0.4 + (seed % 1000) / 700 + 4 / (band + 1);
    }
    this.terms = `${lane}: rates per kg, ${BANDS} bands. `.padEnd(6000, 'Subject to fuel surcharge. ');
  }
}

class TariffBook {
  constructor() {
    this.sheets = new LRUCache({ max: 400 });
  }

  sheet(lane) {
    let sheet = this.sheets.get(lane);
    if (!sheet) {
      sheet = new TariffSheet(lane);
      this.sheets.set(lane, sheet);
    }
    return sheet;
  }
}

module.exports = { TariffBook, TariffSheet };
