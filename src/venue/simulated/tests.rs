use super::*;
use crate::engine::market::book::{Book, BookState};
use crate::engine::num::{Price, Qty, Side};

const START: Ts = Ts::from_ms(1_795_305_600_000);

fn hash(seed: u64, events: usize) -> u64 {
    let mut market = SimulatedMarket::new(seed, Weather::Calm, START);
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for _ in 0..events {
        let event = format!("{:?}", market.next_event());
        for byte in event.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash
}

#[test]
fn a_seed_gives_the_same_events_and_another_seed_gives_others() {
    assert_eq!(hash(7, 3_000), hash(7, 3_000));
    assert_ne!(hash(7, 3_000), hash(8, 3_000));
}

#[test]
fn books_are_never_crossed_never_empty_and_trades_take_what_rested() {
    for weather in [Weather::Calm, Weather::Busy, Weather::Crash] {
        let mut market = SimulatedMarket::new(3, weather, START);
        let mut books = vec![Book::new(); SimulatedMarket::instruments().len()];
        let mut taken: Vec<(Side, Price, Qty)> = Vec::new();
        let mut last = START;
        while last < START + Span::from_secs(40) {
            assert!(market.next_at() >= last);
            let at = market.next_at();
            let (now, symbol, data) = market.next_event();
            assert_eq!(now, at);
            last = now;
            let book = &mut books[symbol.index()];
            match data {
                MarketData::Book(update) => {
                    book.apply(&update);
                    assert_eq!(book.state(), BookState::Valid);
                    assert!(book.bids().len() >= 50 && book.asks().len() >= 50, "{weather} {symbol:?}");
                    for (side, price, left) in taken.drain(..) {
                        assert_eq!(book.qty_at(side, price), left, "fills and removed size differ");
                    }
                }
                MarketData::Trade(trade) => {
                    let side = trade.taker.opposite();
                    let rested = book.qty_at(side, trade.price);
                    assert!(!trade.qty.is_zero() && trade.qty <= rested, "a trade of {} met {rested}", trade.qty);
                    taken.push((side, trade.price, rested.saturating_sub(trade.qty)));
                }
                MarketData::Ticker(_) => {}
                MarketData::Gap => panic!("a simulated market has no gaps"),
            }
        }
    }
}
