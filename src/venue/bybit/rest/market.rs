//! Public endpoints (contract 7).

use super::{Ask, Rest, RestError, query};
use crate::engine::market::instrument::{Category, Instrument, InstrumentStatus, MarginTier};
use crate::engine::num::{Money, Rate};
use crate::engine::time::Ts;
use crate::venue::bybit::codes::Op;
use crate::venue::bybit::limits::{Budget, Urgency};
use crate::venue::bybit::parse::public::{Candle, PriceLimit, SystemStatus, Trade};
use crate::venue::bybit::parse::rest::market::{
    self as read, BookAnswer, ContractType, InstrumentRow, InstrumentStatus as Listed, RiskTier, TickerRow,
};
use crate::venue::bybit::parse::{Page, Rows};

/// More pages than any list has: a cursor that never ends must not keep us for ever.
const PAGES_MAX: usize = 100;

impl Rest {
    fn market(path: &str, query: String) -> Ask<'_> {
        Ask {
            op: Op::Read,
            path,
            query,
            body: None,
            signed: false,
            budget: Budget::Market,
            count: 1,
            urgency: Urgency::Ordinary,
            window_ms: 0,
            leaves: &[],
        }
    }

    /// The venue's time, asked once: a probe that is repeated would tell of its own delay.
    pub(super) async fn server_time(&self) -> Result<Ts, RestError> {
        let ask = Self::market("/v5/market/time", String::new());
        self.once(&ask, &read::server_time_ns).await.map(Ts)
    }

    /// All linear instruments, or one. Rows that cannot be read are left out: such an instrument is not traded.
    pub async fn instruments(&self, symbol: Option<&str>) -> Result<Vec<InstrumentRow>, RestError> {
        let mut rows = Vec::new();
        let mut cursor = String::new();
        for _ in 0..PAGES_MAX {
            let pairs =
                [("category", "linear"), ("symbol", symbol.unwrap_or("")), ("limit", "1000"), ("cursor", &cursor)];
            let ask = Self::market("/v5/market/instruments-info", query(&pairs));
            let Page { rows: page, next } = self.read(&ask, read::instruments).await?;
            rows.extend(page.good);
            match next.filter(|next| *next != cursor && symbol.is_none()) {
                Some(next) => cursor = next,
                None => break,
            }
        }
        Ok(rows)
    }

    /// Margin tiers of one instrument, lowest first.
    pub async fn risk_tiers(&self, symbol: &str) -> Result<Vec<RiskTier>, RestError> {
        let ask = Self::market("/v5/market/risk-limit", query(&[("category", "linear"), ("symbol", symbol)]));
        let mut tiers = self.read(&ask, read::risk_tiers).await?.rows.good;
        tiers.retain(|tier| tier.symbol == symbol);
        tiers.sort_by_key(|tier| tier.limit);
        Ok(tiers)
    }

    /// The rules of one instrument as the engine takes them; `None` where the venue does not list it or it is none that
    /// we trade.
    pub async fn rules(&self, symbol: &str) -> Result<Option<Instrument>, RestError> {
        let rows = self.instruments(Some(symbol)).await?;
        let Some(row) = rows.into_iter().find(|row| row.symbol == symbol) else { return Ok(None) };
        Ok(instrument(&row, &self.risk_tiers(symbol).await?))
    }

    /// Finished and running candles of `minutes` each, newest first, from `start_ms` on, at most 1000.
    pub async fn candles(
        &self,
        symbol: &str,
        minutes: u32,
        start_ms: Option<i64>,
        limit: u32,
    ) -> Result<Rows<Candle>, RestError> {
        let start = start_ms.map_or_else(String::new, |ms| ms.to_string());
        let (interval, limit) = (minutes.to_string(), limit.clamp(1, 1_000).to_string());
        let pairs =
            [("category", "linear"), ("symbol", symbol), ("interval", &interval), ("start", &start), ("limit", &limit)];
        self.read(&Self::market("/v5/market/kline", query(&pairs)), read::candles).await
    }

    /// Tickers: of one instrument, or of all linear ones.
    pub async fn tickers(&self, symbol: Option<&str>) -> Result<Rows<TickerRow>, RestError> {
        let pairs = [("category", "linear"), ("symbol", symbol.unwrap_or(""))];
        self.read(&Self::market("/v5/market/tickers", query(&pairs)), read::tickers).await
    }

    /// The order book.
    pub async fn order_book(&self, symbol: &str, depth: u16) -> Result<BookAnswer, RestError> {
        let limit = depth.clamp(1, 1_000).to_string();
        let pairs = [("category", "linear"), ("symbol", symbol), ("limit", &limit)];
        self.read(&Self::market("/v5/market/orderbook", query(&pairs)), read::order_book).await
    }

    /// The last public trades, newest first.
    pub async fn recent_trades(&self, symbol: &str, limit: u32) -> Result<Rows<Trade>, RestError> {
        let limit = limit.clamp(1, 1_000).to_string();
        let pairs = [("category", "linear"), ("symbol", symbol), ("limit", &limit)];
        self.read(&Self::market("/v5/market/recent-trade", query(&pairs)), read::recent_trades).await
    }

    /// The price band.
    pub async fn price_limit(&self, symbol: &str) -> Result<PriceLimit, RestError> {
        let ask = Self::market("/v5/market/price-limit", query(&[("category", "linear"), ("symbol", symbol)]));
        self.read(&ask, read::price_limit).await
    }

    /// Announced and running maintenance.
    pub async fn system_status(&self) -> Result<Rows<SystemStatus>, RestError> {
        self.read(&Self::market("/v5/system/status", String::new()), read::system_status).await
    }
}

/// The engine's instrument from the venue's row and tiers; `None` where it is not a perpetual settled in USDT, or has no
/// tier: what margin it needs would be a guess.
pub fn instrument(row: &InstrumentRow, tiers: &[RiskTier]) -> Option<Instrument> {
    let ours =
        row.contract == ContractType::LinearPerpetual && row.quote == "USDT" && row.settle.as_deref() == Some("USDT");
    if !ours || tiers.is_empty() {
        return None;
    }
    let tiers = tiers.iter().map(|tier| MarginTier {
        max_notional: tier.limit,
        initial: tier.initial,
        maintenance: tier.maintenance,
    });
    Some(Instrument {
        name: row.symbol.clone(),
        category: Category::Linear,
        tick: row.tick,
        step: row.step,
        min_qty: row.min_qty,
        max_qty: row.max_qty,
        max_market_qty: row.max_market_qty.unwrap_or(row.max_qty),
        min_notional: row.min_notional.unwrap_or(Money::from_units(5)),
        tiers: with_end(tiers.collect()),
        funding_interval_s: row.funding_interval_min.unwrap_or(0).saturating_mul(60),
        source: String::new(),
        status: match (row.status, row.pre_listing) {
            (Listed::Trading, false) => InstrumentStatus::Trading,
            (Listed::Unknown, _) => InstrumentStatus::Unknown,
            _ => InstrumentStatus::Halted,
        },
        delivery: row.delivery_ms.map(Ts::from_ms),
    })
}

/// Beyond the venue's last tier nothing is allowed: full margin there, so that a worst case is never underestimated.
fn with_end(mut tiers: Vec<MarginTier>) -> Vec<MarginTier> {
    if tiers.last().is_some_and(|last| last.max_notional < Money::MAX) {
        let one = Rate::from_raw(1_000_000_000);
        tiers.push(MarginTier { max_notional: Money::MAX, initial: one, maintenance: one });
    }
    tiers
}
