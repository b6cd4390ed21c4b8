"""ccxt and ccxt.pro against `tickdeck sim`: place, amend, cancel, fill and watch. Argument: the port."""

import asyncio
import json
import sys
import urllib.request

import ccxt
import ccxt.pro

PORT = sys.argv[1]
HTTP, WS = f"http://127.0.0.1:{PORT}", f"ws://127.0.0.1:{PORT}"
SYMBOL = "BTC/USDT:USDT"


def moved(urls, base):
    """Every address template below `urls` points at `base` and keeps its path."""
    for key, value in urls.items():
        if isinstance(value, dict):
            moved(value, base)
        elif isinstance(value, str):
            urls[key] = base + "/" + value.split("/", 3)[3]


def exchange(module):
    made = module.bybit({"apiKey": "sim_key", "secret": "sim_secret", "enableRateLimit": False})
    for key, value in list(made.urls["api"].items()):
        if isinstance(value, str):
            made.urls["api"][key] = HTTP
    moved(made.urls["api"].get("ws", {}), WS)
    return made


def sim(action, body=None):
    data = None if body is None else json.dumps(body).encode()
    return json.load(urllib.request.urlopen(f"{HTTP}/sim/{action}", data=data))


def refused(kind, call, *args):
    try:
        call(*args)
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was expected")


def rest():
    ex = exchange(ccxt)
    markets = ex.load_markets()  # with everything ccxt asks for by default
    market = markets[SYMBOL]
    assert market["swap"] and market["precision"]["price"] == 0.1, market
    book = ex.fetch_order_book(SYMBOL, 50)
    bid, ask = book["bids"][0][0], book["asks"][0][0]
    assert bid < ask and len(book["bids"]) == 50
    assert ex.fetch_ticker(SYMBOL)["last"] > 0
    assert ex.fetch_trades(SYMBOL) and ex.fetch_ohlcv(SYMBOL, "1m")
    assert ex.fetch_balance()["USDT"]["total"] == 10000
    placed = ex.create_order(SYMBOL, "limit", "buy", 0.002, bid * 0.99, {"clientOrderId": "c-1", "timeInForce": "PO"})
    ex.edit_order(placed["id"], SYMBOL, "limit", "buy", 0.003, bid * 0.985)
    order = ex.fetch_open_order(placed["id"], SYMBOL)
    assert (order["amount"], order["status"], order["clientOrderId"]) == (0.003, "open", "c-1"), order
    assert [o["id"] for o in ex.fetch_open_orders(SYMBOL)] == [placed["id"]]
    ex.cancel_order(placed["id"], SYMBOL)
    assert ex.fetch_canceled_orders(SYMBOL)[-1]["id"] == placed["id"]
    refused(ccxt.OrderNotFound, ex.cancel_order, placed["id"], SYMBOL)
    refused(ccxt.InsufficientFunds, ex.create_order, SYMBOL, "limit", "buy", 100, bid * 0.99)
    bought = ex.create_order(SYMBOL, "market", "buy", 0.004)
    done = ex.fetch_order(bought["id"], SYMBOL, {"acknowledged": True})
    assert (done["status"], done["filled"]) == ("closed", 0.004), done
    position = ex.fetch_positions([SYMBOL])[0]
    assert (position["side"], position["contracts"]) == ("long", 0.004), position
    fills = [t for t in ex.fetch_my_trades(SYMBOL) if t["order"] == bought["id"]]
    assert abs(sum(t["amount"] for t in fills) - 0.004) < 1e-9
    assert all(abs(t["fee"]["cost"] - t["cost"] * 0.00055) < 1e-6 and t["takerOrMaker"] == "taker" for t in fills), fills
    ex.set_leverage(5, SYMBOL)
    ex.create_order(SYMBOL, "market", "sell", 0.004, None, {"reduceOnly": True})
    assert not [p for p in ex.fetch_positions([SYMBOL]) if p["contracts"]]
    refused(ccxt.ExchangeError, ex.create_order, SYMBOL, "market", "sell", 0.004, None, {"reduceOnly": True})
    conditional = ex.create_order(
        SYMBOL, "limit", "buy", 0.001, bid * 0.98, {"triggerPrice": bid * 0.99, "triggerDirection": "descending"}
    )
    assert conditional["id"] in [o["id"] for o in ex.fetch_open_orders(SYMBOL, params={"trigger": True})]
    ex.cancel_all_orders(SYMBOL)
    assert not ex.fetch_open_orders(SYMBOL)
    return bid


async def pro(bid):
    ex = exchange(ccxt.pro)
    ex.options["fetchMarkets"] = {"types": ["linear"]}
    await ex.load_markets()
    first = await asyncio.wait_for(ex.watch_order_book(SYMBOL, 50), 15)
    again = await asyncio.wait_for(ex.watch_order_book(SYMBOL, 50), 15)
    assert again["bids"][0][0] < again["asks"][0][0] and again["timestamp"] >= first["timestamp"]
    assert (await asyncio.wait_for(ex.watch_trades(SYMBOL), 15))[-1]["price"] > 0
    assert (await asyncio.wait_for(ex.watch_ticker(SYMBOL), 15))["bid"] > 0
    assert await asyncio.wait_for(ex.watch_ohlcv(SYMBOL, "1m"), 15)

    async def until(watch, wanted):
        while True:
            for row in await watch():
                if wanted(row):
                    return row

    async def subscribed(topic):
        """ccxt does not tell when a subscription is confirmed; the exchange does."""
        while topic not in (await asyncio.to_thread(sim, "state"))["sockets"]["topics"]:
            await asyncio.sleep(0.02)

    async def watched(topic, act, watch, wanted):
        """What `watch` tells after `act`; the watch stands before the act."""
        task = asyncio.ensure_future(until(watch, wanted))
        await asyncio.wait_for(subscribed(topic), 15)
        done = await act()
        return done, await asyncio.wait_for(task, 15)

    order = {"clientOrderId": "c-ws-1"}
    act = lambda: ex.create_order_ws(SYMBOL, "limit", "buy", 0.002, bid * 0.99, order)
    placed, row = await watched("order", act, ex.watch_orders, lambda o: o["clientOrderId"] == "c-ws-1")
    assert (row["id"], row["status"]) == (placed["id"], "open"), row
    await ex.edit_order_ws(placed["id"], SYMBOL, "limit", "buy", 0.003, bid * 0.985)
    act = lambda: ex.cancel_order_ws(placed["id"], SYMBOL)
    _, row = await watched("order", act, ex.watch_orders, lambda o: o["id"] == placed["id"] and o["status"] == "canceled")
    assert row["amount"] == 0.003, row
    act = lambda: ex.create_order_ws(SYMBOL, "market", "buy", 0.002)
    bought, fill = await watched("execution", act, ex.watch_my_trades, lambda t: t["side"] == "buy")
    assert fill["order"] == bought["id"], fill
    act = lambda: ex.create_order_ws(SYMBOL, "market", "sell", 0.002, None, {"reduceOnly": True})
    await watched("position", act, lambda: ex.watch_positions([SYMBOL]), lambda p: p["contracts"] == 0)
    balance = asyncio.ensure_future(ex.watch_balance())
    await asyncio.wait_for(subscribed("wallet"), 15)
    await asyncio.to_thread(sim, "do", {"deposit": {"amount": "5"}})
    assert (await asyncio.wait_for(balance, 15))["USDT"]["total"] > 9990
    await ex.close()


asyncio.run(pro(rest()))
print("ccxt: ok")
