// npm bybit-api against `tickdeck sim`: place, amend, cancel, fill and watch. Argument: the port.
import assert from 'node:assert/strict';
import { RestClientV5, WebsocketAPIClient, WebsocketClient } from 'bybit-api';

const [HTTP, WS] = ['http', 'ws'].map((scheme) => `${scheme}://127.0.0.1:${process.argv[2]}`);
const keys = { key: 'sim_key', secret: 'sim_secret' };
const order = { category: 'linear', symbol: 'BTCUSDT' };
const quiet = { trace() {}, info() {}, error(...said) { console.error(...said); } };
const rest = new RestClientV5({ ...keys, baseUrl: HTTP, parseAPIRateLimits: true });

async function wait(what, condition) {
  const end = Date.now() + 15000;
  while (Date.now() < end) {
    const found = condition();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error(`did not happen: ${what}`);
}

// `wsUrl` replaces the address of every connection, so each socket has a client of its own
function watcher(path, extra, topics) {
  const seen = [];
  const client = new WebsocketClient({ ...extra, market: 'v5', wsUrl: WS + path }, quiet);
  client.on('update', (message) => seen.push(message));
  client.on('exception', (problem) => console.error('exception', problem));
  const ready = new Promise((done) => client.on('response', (reply) => reply.op === 'subscribe' && done(reply)));
  client.subscribeV5(topics, 'linear');
  const rows = (topic) => seen.filter((message) => message.topic === topic).flatMap((message) => message.data);
  return { client, seen, rows, ready };
}

assert.equal((await rest.getServerTime()).retCode, 0);
const { result: book } = await rest.getOrderbook({ ...order, limit: 1 });
const bid = Number(book.b[0][0]);
const far = (bid * 0.99).toFixed(1);

const publicSocket = watcher('/v5/public/linear', {}, ['orderbook.50.BTCUSDT', 'publicTrade.BTCUSDT', 'tickers.BTCUSDT']);
const privateSocket = watcher('/v5/private', keys, ['order', 'execution', 'position', 'wallet']);
assert.equal((await publicSocket.ready).success, true);
assert.equal((await privateSocket.ready).success, true);
const orderRow = (link, status) =>
  privateSocket.rows('order').find((row) => row.orderLinkId === link && row.orderStatus === status);

// place, amend, cancel over REST
const placed = await rest.submitOrder({
  ...order, side: 'Buy', orderType: 'Limit', qty: '0.002', price: far, orderLinkId: 'j-1',
});
assert.equal(placed.retCode, 0, placed.retMsg);
assert.equal(placed.rateLimitApi.maxRequests, 10);
await wait('New', () => orderRow('j-1', 'New'));
assert.equal((await rest.amendOrder({ ...order, orderLinkId: 'j-1', qty: '0.003' })).retCode, 0);
const open = await rest.getActiveOrders({ ...order, orderLinkId: 'j-1' });
assert.equal(open.result.list[0].qty, '0.003');
assert.equal((await rest.cancelOrder({ ...order, orderLinkId: 'j-1' })).retCode, 0);
assert.equal((await wait('Cancelled', () => orderRow('j-1', 'Cancelled'))).rejectReason, 'EC_PerCancelRequest');
assert.equal((await rest.cancelOrder({ ...order, orderLinkId: 'j-1' })).retCode, 110001);

// pages: the cursor goes out encoded once more than it came
for (const link of ['j-p1', 'j-p2', 'j-p3']) {
  await rest.submitOrder({ ...order, side: 'Buy', orderType: 'Limit', qty: '0.001', price: far, orderLinkId: link });
}
const first = await rest.getActiveOrders({ ...order, limit: 2 });
const second = await rest.getActiveOrders({ ...order, limit: 2, cursor: first.result.nextPageCursor });
const links = [...first.result.list, ...second.result.list].map((row) => row.orderLinkId);
assert.deepEqual(links, ['j-p3', 'j-p2', 'j-p1']);
assert.equal((await rest.cancelAllOrders(order)).result.list.length, 3);

// place, amend, cancel, fill over the trade socket
const trader = new WebsocketAPIClient({ ...keys, wsUrl: `${WS}/v5/trade`, recvWindow: 5000, attachEventListeners: false }, quiet);
const limit = { ...order, side: 'Buy', orderType: 'Limit', qty: '0.002', price: far, orderLinkId: 'j-2' };
assert.equal((await trader.submitNewOrder(limit)).retCode, 0);
assert.equal((await trader.amendOrder({ ...order, orderLinkId: 'j-2', price: (bid * 0.985).toFixed(1) })).retCode, 0);
assert.equal((await trader.cancelOrder({ ...order, orderLinkId: 'j-2' })).retCode, 0);
await assert.rejects(trader.cancelOrder({ ...order, orderLinkId: 'j-2' }), (refusal) => refusal.retCode === 110001);
const market = { ...order, orderType: 'Market', qty: '0.004' };
assert.equal((await trader.submitNewOrder({ ...market, side: 'Buy', orderLinkId: 'j-3' })).retCode, 0);
assert.equal((await wait('Filled', () => orderRow('j-3', 'Filled'))).cumExecQty, '0.004');
await wait('position', () => privateSocket.rows('position').find((row) => row.size === '0.004' && row.side === 'Buy'));
await wait('wallet', () => privateSocket.rows('wallet').length);
const fills = await wait('execution', () => {
  const rows = privateSocket.rows('execution').filter((row) => row.orderLinkId === 'j-3');
  return rows.length && rows;
});
const filled = fills.reduce((sum, row) => sum + Number(row.execQty), 0);
assert.ok(Math.abs(filled - 0.004) < 1e-9);
const close = { ...market, side: 'Sell', qty: '0', reduceOnly: true, closeOnTrigger: true, orderLinkId: 'j-4' };
assert.equal((await trader.submitNewOrder(close)).retCode, 0);
await wait('closed', () => orderRow('j-4', 'Filled'));
const { result: positions } = await rest.getPositionInfo(order);
assert.equal(positions.list[0].size, '0.000');

// the deltas make up an uncrossed book, numbered without a gap
const frames = publicSocket.seen.filter((message) => message.topic === 'orderbook.50.BTCUSDT');
assert.equal(frames[0].type, 'snapshot');
const sides = { b: new Map(), a: new Map() };
frames.forEach((frame, at) => {
  if (at > 0) assert.equal(frame.data.u, frames[at - 1].data.u + 1);
  for (const side of ['b', 'a']) {
    for (const [price, size] of frame.data[side]) {
      if (Number(size) === 0) assert.ok(sides[side].delete(price), `unknown level ${price}`);
      else sides[side].set(price, size);
    }
  }
});
assert.ok(Math.max(...[...sides.b.keys()].map(Number)) < Math.min(...[...sides.a.keys()].map(Number)));
assert.ok(publicSocket.rows('publicTrade.BTCUSDT').length);
assert.ok(publicSocket.seen.some((message) => message.topic === 'tickers.BTCUSDT'));
console.log('bybit-api: ok');
process.exit(0);
