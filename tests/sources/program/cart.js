// Burns time in functions that minifiers rename.
const priceOfItem = (item, until) => {
  let price = item;
  while (Date.now() < until) price += Math.sqrt(price + 1);
  return price;
};

export function totalOfCart(items, ms) {
  const until = Date.now() + ms;
  return items.reduce((sum, item) => sum + priceOfItem(item, until), 0);
}
