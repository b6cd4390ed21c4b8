//! The catalogue: every metric there is, once. Dashboard and rules may name nothing else. Money is in the account's quote
//! currency, times are in seconds.

use super::text::{Kind, Metric};

const fn metric(name: &'static str, kind: Kind, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind, labels, help }
}

macro_rules! catalogue {
    ($($id:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(pub(super) static $id: Metric = metric($name, Kind::$kind, &[$($label),*], $help);)*
        /// Every metric, in the order of the page.
        pub const METRICS: &[&Metric] = &[$(&$id),*];
    };
}

catalogue! {
    HEARTBEAT_AGE = Gauge "tickdeck_engine_heartbeat_age_seconds" [] "Time since the engine's last turn.";
    RATE_LIMIT_TOKENS = Gauge "tickdeck_rate_limit_tokens" ["endpoint"]
        "Requests that may leave now; endpoints that were used, and the address. Absent without an exchange.";
    WS_RECONNECTS = Counter "tickdeck_ws_reconnects_total" ["stream"]
        "Connections of a stream (public, private, trade) that were lost and had to be made anew. Absent without an exchange.";
    ALERTS_SENT = Counter "tickdeck_alerts_sent_total" ["channel", "outcome"]
        "Messages to a person: sent, failed (an attempt), dropped (given up or pushed out of a full queue).";
    CONTROL_REFUSED = Counter "tickdeck_control_refused_total" ["way", "reason"]
        "Messages from outside that were refused at the door: socket or telegram, and why.";
    INFO = Gauge "tickdeck_info" ["version", "market", "account"] "Always 1: what this run is.";
    ARMED = Gauge "tickdeck_armed" [] "1 while the autotrader may open positions.";
    KILLED = Gauge "tickdeck_killed" [] "1 while a kill is latched.";
    TRADING_STATE = Gauge "tickdeck_trading_state" []
        "0 safe (disarmed), 1 armed, 2 reducing, 3 tripped, 4 killed, 5 unknown.";
    WS_MESSAGE_AGE = Gauge "tickdeck_ws_last_message_age_seconds" ["stream"]
        "Time since the last message of a stream (public, private, trade); since it is wanted where none has come.";
    PRICE = Gauge "tickdeck_price" ["symbol"] "Last price. Absent while it is stale.";
    POSITION_NOTIONAL = Gauge "tickdeck_position_notional" ["symbol"]
        "Value of the position at mark: long above 0, short below 0. Absent while it cannot be valued.";
    EQUITY = Gauge "tickdeck_equity" [] "Balance and unrealised PnL. Absent while a position cannot be valued.";
    DRAWDOWN = Gauge "tickdeck_drawdown_ratio" [] "Fall of equity from its highest point, as a part of that.";
    PNL_REALISED = Gauge "tickdeck_pnl_realised" [] "Realised PnL of this run before fees and funding.";
    PNL_UNREALISED = Gauge "tickdeck_pnl_unrealised" [] "Unrealised PnL. Absent while a position cannot be valued.";
    FEES = Counter "tickdeck_fees_total" [] "Fees paid in this run; rebates count against them.";
    LIMIT_HEADROOM = Gauge "tickdeck_limit_headroom_ratio" ["limit"]
        "Unused part of a limit: 1 nothing used, 0 at the limit, below 0 beyond it. Absent where it cannot be measured.";
    ORDERS_UNRESOLVED = Gauge "tickdeck_orders_unresolved" []
        "Orders of which nobody knows whether the venue has them; they count as working.";
    CLOCK_OFFSET = Gauge "tickdeck_clock_offset_seconds" [] "The venue's clock minus ours. Absent without an exchange.";
    ORDERS = Counter "tickdeck_orders_total" ["outcome"]
        "Orders by what was first known of them: confirmed or rejected by the venue, denied by tickdeck, ambiguous.";
    RISK_DENIALS = Counter "tickdeck_risk_denials_total" ["code"] "Decisions after which nothing was opened, by the reason.";
    TICK_TO_ORDER = Histogram "tickdeck_tick_to_order_seconds" []
        "From the moment of a decision until its order, durable by then, was handed to the venue.";
    SIGNAL_TO_ACK = Histogram "tickdeck_signal_to_ack_seconds" []
        "From the moment of a decision until the venue's first answer about its order.";
    ENGINE_TURN = Histogram "tickdeck_engine_turn_seconds" []
        "One turn of the engine's loop without its sleep: events, requests, pictures for cockpits.";
    INFERENCE = Histogram "tickdeck_inference_seconds" ["model"] "How long a model takes for one instrument.";
    QUEUE_DEPTH = Gauge "tickdeck_queue_depth" ["queue"] "What waits in a bounded queue.";
    BOOK_RESYNCS = Counter "tickdeck_book_resyncs_total" ["symbol"] "Times that an order book lost its place.";
    SIGNAL_PROB = Gauge "tickdeck_signal_prob" ["symbol", "model", "side"]
        "Probability of a move up, flat or down at the strategy's horizon. Absent while the forecast is too old to use.";
    MODEL_BENCHED = Gauge "tickdeck_model_benched" ["symbol", "model"]
        "1 while a model's answers open nothing because they fell short of its card's promise.";
    MODEL_OUT_OF_RANGE = Gauge "tickdeck_model_out_of_range" ["symbol", "model"]
        "1 while the market is unlike the one the model was trained on: its answers open nothing.";
    MODEL_HIT = Gauge "tickdeck_model_hit_ratio" ["symbol", "model"]
        "Part of the moves whose direction was told, over the last answers. Absent before the first move.";
    MODEL_DRIFT = Gauge "tickdeck_model_drift" ["symbol", "model"]
        "Stability index of the features against training. Absent where it is not known.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ours_unique_and_say_what_they_count() {
        for metric in METRICS {
            assert!(metric.name.starts_with("tickdeck_"), "{}", metric.name);
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert_eq!(METRICS.iter().filter(|other| other.name == metric.name).count(), 1, "{}", metric.name);
            assert!(!metric.help.contains('\n') && !metric.help.contains('\\'), "{}", metric.name);
        }
    }
}
