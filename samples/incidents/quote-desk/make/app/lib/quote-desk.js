'use strict';

// Quotes that were offered and wait for an answer. A quote keeps the manifest
// it was priced for, so that accepting it needs no second upload.

const { randomUUID } = require('node:crypto');

const HOLD_MS = 15 * 60 * 1000;

class OpenQuote {
  constructor(shipper, lane, manifest, offers) {
    this.id = randomUUID();
    this.shipper = shipper;
    this.lane = lane;
    this.manifest = manifest;
    this.offers = offers;
    this.expiresAt = Date.now() + HOLD_MS;
  }
}

class QuoteDesk {
  constructor() {
    this.openQuotes = new Map();
    this.accepted = 0;
  }

  open(shipper, lane, manifest, offers) {
    const quote = new OpenQuote(shipper, lane, manifest, offers);
    this.openQuotes.set(quote.id, quote);
    return quote;
  }

  accept(id) {
    const quote = this.openQuotes.get(id);
    if (!quote || quote.expiresAt < Date.now()) return null;
    this.openQuotes.delete(id);
    this.accepted += 1;
    return quote;
  }

  // Drops quotes nobody answered. Called by the nightly worker until 1.14.0,
  // which moved the worker to its own process: there it sweeps an empty desk.
  sweep(now = Date.now()) {
    for (const [id, quote] of this.openQuotes) {
      if (quote.expiresAt < now) this.openQuotes.delete(id);
    }
  }
}

module.exports = { QuoteDesk, OpenQuote };
