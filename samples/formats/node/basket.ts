// A shop with two leaks: every visitor gets a basket, and none is ever taken out again; receipts are never let go.
class Basket {
  lines: { article: number; text: string }[] = [];
  constructor(readonly visitor: number) {}
  add(article: number): void {
    this.lines.push({ article, text: "article " + article + " for " + this.visitor });
  }
}

class BasketStore {
  private readonly open = new Map<number, Basket>();
  basketOf(visitor: number): Basket {
    let basket = this.open.get(visitor);
    if (!basket) this.open.set(visitor, (basket = new Basket(visitor)));
    return basket;
  }
}

// A receipt's temporary file goes with it, or would: what the registry holds for the callback holds the receipt.
class Receipt {
  readonly marks: number[] = new Array(24).fill(0.5);
  constructor(readonly visitor: number) {}
}
const files = new FinalizationRegistry<{ receipt: Receipt }>((held) => held.receipt.marks.fill(0));

const store = new BasketStore();
export function visit(from: number, to: number): void {
  for (let visitor = from; visitor < to; visitor++) {
    store.basketOf(visitor).add(visitor % 7);
    const receipt = new Receipt(visitor);
    files.register(receipt, { receipt });
  }
}
