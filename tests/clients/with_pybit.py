"""pybit against `tickdeck sim`: place, amend, cancel, fill and watch. Argument: the port."""

import faulthandler
import json
import sys
import time
import urllib.request

import pybit._websocket_trading as trading
import pybit.unified_trading as unified

# whoever is stuck says where
faulthandler.dump_traceback_later(150, exit=True)
PORT = sys.argv[1]
HTTP, WS = f"http://127.0.0.1:{PORT}", f"ws://127.0.0.1:{PORT}"
KEYS = {"api_key": "sim_key", "api_secret": "sim_secret"}
ORDER = {"category": "linear", "symbol": "BTCUSDT"}

# pybit has no argument for a host: its address templates are read when a socket is made
unified.PUBLIC_WSS = WS + "/v5/public/{CHANNEL_TYPE}"
unified.PRIVATE_WSS = WS + "/v5/private"
trading.TRADE_WSS = WS + "/v5/trade"


def wait(what, condition):
    end = time.monotonic() + 15
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"did not happen: {what}")


def sim(action, body=None):
    data = None if body is None else json.dumps(body).encode()
    return json.load(urllib.request.urlopen(f"{HTTP}/sim/{action}", data=data, timeout=10))


def refused(code, call, **values):
    try:
        call(**values)
    except Exception as error:  # pybit's own error type differs between versions
        assert str(code) in str(error), error
        return
    raise AssertionError(f"{code} was expected")


session = unified.HTTP(**KEYS)
session.endpoint = HTTP
assert abs(session.get_server_time()["time"] - time.time() * 1000) < 5000
rules = session.get_instruments_info(category="linear", symbol="BTCUSDT")["result"]["list"][0]
assert (rules["priceFilter"]["tickSize"], rules["lotSizeFilter"]["qtyStep"]) == ("0.1", "0.001"), rules
top = session.get_orderbook(category="linear", symbol="BTCUSDT", limit=1)["result"]
bid, ask = float(top["b"][0][0]), float(top["a"][0][0])
assert bid < ask

# watching. pybit registers what it sent for after sending it: an answer that comes at once, as on loopback, finds nobody
# and ends its reader. The venue is never that near.
sim("faults", {"link_ms": 300})
seen = {name: [] for name in ("book", "trade", "ticker", "order", "execution", "position", "wallet")}
public = unified.WebSocket(testnet=False, channel_type="linear")
public.orderbook_stream(depth=50, symbol="BTCUSDT", callback=seen["book"].append)
public.trade_stream(symbol="BTCUSDT", callback=seen["trade"].append)
public.ticker_stream(symbol="BTCUSDT", callback=seen["ticker"].append)
private = unified.WebSocket(testnet=False, channel_type="private", **KEYS)
private.order_stream(callback=seen["order"].append)
private.execution_stream(callback=seen["execution"].append)
private.position_stream(callback=seen["position"].append)
private.wallet_stream(callback=seen["wallet"].append)
for name in ("book", "trade", "ticker"):
    wait(name, lambda: seen[name])
# pybit does not tell when a private subscription is confirmed; the exchange does
wait("subscribed", lambda: {"order", "execution", "position", "wallet"} <= set(sim("state")["sockets"]["topics"]))


def order_row(link, status):
    rows = [row for message in seen["order"] for row in message["data"]]
    return next((row for row in rows if row["orderLinkId"] == link and row["orderStatus"] == status), None)


# place, amend, cancel
far = f"{bid * 0.99:.1f}"
placed = session.place_order(
    **ORDER, side="Buy", orderType="Limit", qty="0.002", price=far, timeInForce="PostOnly", orderLinkId="p-1"
)["result"]
assert placed["orderLinkId"] == "p-1"
wait("New", lambda: order_row("p-1", "New"))
refused(110072, session.place_order, **ORDER, side="Buy", orderType="Limit", qty="0.002", price=far, orderLinkId="p-1")
session.amend_order(**ORDER, orderLinkId="p-1", qty="0.003")
row = session.get_open_orders(**ORDER, orderLinkId="p-1")["result"]["list"][0]
assert (row["orderId"], row["qty"], row["price"]) == (placed["orderId"], "0.003", far), row
session.cancel_order(**ORDER, orderId=placed["orderId"])
row = wait("Cancelled", lambda: order_row("p-1", "Cancelled"))
assert (row["cancelType"], row["rejectReason"]) == ("CancelByUser", "EC_PerCancelRequest"), row
refused(110001, session.cancel_order, **ORDER, orderLinkId="p-1")

# a post-only order that would take is accepted and dies
session.place_order(
    **ORDER, side="Buy", orderType="Limit", qty="0.002", price=f"{ask + 50:.1f}", timeInForce="PostOnly", orderLinkId="p-2"
)
assert wait("killed", lambda: order_row("p-2", "Cancelled"))["rejectReason"] == "EC_PostOnlyWillTakeLiquidity"

# fill over the trade socket, with its ack
acks = []
trader = unified.WebSocketTrading(testnet=False, **KEYS)
trader.place_order(acks.append, **ORDER, side="Buy", orderType="Market", qty="0.005", orderLinkId="p-3")
wait("ack", lambda: acks)
assert acks[0]["retCode"] == 0 and acks[0]["data"]["orderLinkId"] == "p-3", acks
row = wait("Filled", lambda: order_row("p-3", "Filled"))
assert (row["cumExecQty"], row["leavesQty"], row["timeInForce"]) == ("0.005", "0.000", "IOC"), row
fills = wait("execution", lambda: [r for m in seen["execution"] for r in m["data"] if r["orderLinkId"] == "p-3"])
assert sum(float(fill["execQty"]) for fill in fills) == 0.005
assert all(abs(float(f["execFee"]) - float(f["execValue"]) * 0.00055) < 1e-6 and not f["isMaker"] for f in fills)
wait("position", lambda: [m for m in seen["position"] if m["data"][0]["size"] == "0.005"])
wait("wallet", lambda: seen["wallet"])
position = session.get_positions(**ORDER)["result"]["list"][0]
assert (position["side"], position["size"]) == ("Buy", "0.005"), position
coin = session.get_wallet_balance(accountType="UNIFIED", coin="USDT")["result"]["list"][0]["coin"][0]
assert abs(float(coin["walletBalance"]) + sum(float(fill["execFee"]) for fill in fills) - 10000) < 1e-6, coin

# a resting order is filled as maker when the market falls through it
session.place_order(**ORDER, side="Buy", orderType="Limit", qty="0.001", price=f"{bid * 0.999:.1f}", orderLinkId="p-4")
sim("do", {"displace": {"symbol": "BTCUSDT", "rate": "-0.004"}})
wait("filled as maker", lambda: order_row("p-4", "Filled"))
maker = [r for m in seen["execution"] for r in m["data"] if r["orderLinkId"] == "p-4"]
assert maker and all(fill["isMaker"] and fill["feeRate"] == "0.0002" for fill in maker), maker

# protection, leverage, close
session.set_trading_stop(**ORDER, tpslMode="Full", positionIdx=0, stopLoss=f"{bid * 0.9:.1f}")
stops = session.get_open_orders(**ORDER, orderFilter="StopOrder")["result"]["list"]
assert [(s["stopOrderType"], s["orderStatus"], s["reduceOnly"]) for s in stops] == [("StopLoss", "Untriggered", True)], stops
session.set_leverage(**ORDER, buyLeverage="5", sellLeverage="5")
refused(110043, session.set_leverage, **ORDER, buyLeverage="5", sellLeverage="5")
session.place_order(
    **ORDER, side="Sell", orderType="Market", qty="0", reduceOnly=True, closeOnTrigger=True, orderLinkId="p-5"
)
wait("closed", lambda: order_row("p-5", "Filled"))
assert session.get_positions(**ORDER)["result"]["list"][0]["side"] == ""
assert not session.get_open_orders(**ORDER, orderFilter="StopOrder")["result"]["list"]
refused(110017, session.place_order, **ORDER, side="Sell", orderType="Market", qty="0.001", reduceOnly=True)

# a batch fails item by item
batch = session.place_batch_order(
    category="linear",
    request=[
        {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.001", "price": far, "orderLinkId": "p-6"},
        {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.001", "price": "100.03", "orderLinkId": "p-7"},
    ],
)
assert [item["code"] for item in batch["retExtInfo"]["list"]] == [0, 110003], batch
assert [item["orderId"] != "" for item in batch["result"]["list"]] == [True, False]
assert len(session.cancel_all_orders(**ORDER)["result"]["list"]) == 1

# the book was whole all along
levels = {"b": {}, "a": {}}
for message in seen["book"]:
    data = message["data"]
    assert message["type"] == "snapshot"  # pybit keeps the book itself and hands out whole ones
    levels = {side: dict(data[side]) for side in ("b", "a")}
assert max(map(float, levels["b"])) < min(map(float, levels["a"]))
for socket in (public, private, trader):
    # or its reader takes the closing for a lost connection and makes a new one, and `exit` waits for that for ever
    socket.handle_error = False
    socket.exit()
print("pybit: ok")
