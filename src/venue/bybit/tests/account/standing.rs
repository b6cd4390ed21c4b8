//! What the exchange forbids, and what key and account allow.

use super::*;

#[test]
fn a_ban_is_named_with_its_end_and_with_what_to_do() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    rig.faults(&json!({ "banned": true }));
    talk.venue.ask(wall());
    talk.until("the ban", |talk| talk.held(DenialCode::VenueBanned).is_some());
    let detail = talk.held(DenialCode::VenueBanned).unwrap().detail.clone().unwrap();
    assert!(detail.contains("Bybit app > Derivatives > Positions"), "{detail}");
    // Nothing leaves any more, and what did not leave is no mystery.
    let before = rig.creates();
    let unsent = talk.buy(&rig, ONE_LOT);
    talk.until("not sent", |talk| talk.has(unsent, |n| matches!(n, OrderNews::Unsent(_))));
    assert_eq!(rig.creates(), before);
}

#[test]
fn while_rest_is_banned_the_trade_socket_still_closes() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Socket);
    let bought = talk.buy(&rig, ONE_LOT);
    talk.until("the fill", |talk| talk.filled(bought) == Qty::parse(ONE_LOT).unwrap());
    rig.faults(&json!({ "banned": true }));
    talk.venue.ask(wall());
    talk.until("the ban", |talk| talk.held(DenialCode::VenueBanned).is_some());
    let low = touch(&rig, "bids", 98);
    let sold = talk.order(Side::Sell, ONE_LOT, &low, TimeInForce::ImmediateOrCancel, true);
    talk.until("closed all the same", |talk| talk.filled(sold) == Qty::parse(ONE_LOT).unwrap());
    let opens = talk.buy(&rig, ONE_LOT);
    talk.until("opening waits", |talk| talk.has(opens, |n| matches!(n, OrderNews::Unsent(_))));
}

#[test]
fn hedge_mode_is_named_with_both_legs() {
    let rig = Rig::new();
    rig.act(&json!({ "hedge": { "symbol": "BTCUSDT", "on": true } }));
    rig.act(&json!({ "order": { "symbol": "BTCUSDT", "side": "Sell", "qty": "0.02", "positionIdx": 2 } }));
    let talk = Talk::open(&rig, Transport::Rest);
    let hold = talk.held(DenialCode::PositionModeHedge).unwrap();
    assert_eq!(hold.symbol, Some(Symbol(0)));
    let detail = hold.detail.as_ref().unwrap();
    assert!(detail.contains("long 0, short 0.02") && detail.contains("One-Way"), "{detail}");
}

#[test]
fn hedge_mode_that_is_switched_on_later_is_noticed_by_reading_and_by_a_refusal() {
    for by_refusal in [false, true] {
        let rig = Rig::new();
        let mut talk = Talk::open(&rig, Transport::Rest);
        rig.act(&json!({ "hedge": { "symbol": "BTCUSDT", "on": true } }));
        if by_refusal {
            let refused = talk.buy(&rig, ONE_LOT);
            talk.until("the refusal", |talk| talk.has(refused, |n| matches!(n, OrderNews::Rejected(_))));
        } else {
            // One instrument each time.
            talk.statement();
            talk.statement();
        }
        talk.until("the hold", |talk| talk.held(DenialCode::PositionModeHedge).is_some());
        let hold = talk.held(DenialCode::PositionModeHedge).unwrap();
        assert!(
            hold.symbol == Some(Symbol(0)) && hold.detail.as_ref().unwrap().contains("long 0, short 0"),
            "{hold:?}"
        );
    }
}

#[test]
fn a_ban_that_was_lifted_ends_when_a_person_tries_again() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    rig.faults(&json!({ "banned": true }));
    talk.venue.ask(wall());
    talk.until("the ban", |talk| talk.held(DenialCode::VenueBanned).is_some());
    talk.venue.retry(wall());
    talk.until("the answer", |talk| talk.told("tried once more: the exchange refuses this address"));
    assert!(talk.held(DenialCode::VenueBanned).is_some());
    rig.faults(&json!({ "banned": false }));
    talk.venue.retry(wall());
    talk.until("its end", |talk| talk.held(DenialCode::VenueBanned).is_none());
    let bought = talk.buy(&rig, ONE_LOT);
    talk.until("trading goes on", |talk| talk.filled(bought) == Qty::parse(ONE_LOT).unwrap());
}

#[test]
fn a_refused_key_is_named() {
    let rig = Rig::new();
    let mut talk = Talk::new(rig.venue_with(Transport::Rest, "another-secret"));
    talk.until("the refusal", |talk| talk.held(DenialCode::VenueKeyRefused).is_some());
    let shown = format!("{:?}", talk.events);
    assert!(!shown.contains("another-secret") && !shown.contains(KEY), "no secret is told: {shown}");
}

#[test]
fn what_the_account_pays_is_told_and_nothing_is_set_at_the_exchange() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    let paid = |symbol, event: &Event| matches!(event, Event::Account(AccountUpdate::Fees { symbol: told, .. }) if *told == symbol);
    talk.until("the fees", |talk| {
        [Symbol(0), Symbol(1)].iter().all(|symbol| talk.events.iter().any(|e| paid(*symbol, e)))
    });
    let settings = rig.runtime.block_on(client(&rig).user_settings()).unwrap();
    assert_eq!(settings.refuses_outside_band, Some(false), "settings change by `doctor --fix` only");
    assert!(talk.told("doctor --fix"), "{:?}", talk.events);
}

#[test]
fn portfolio_margin_holds_by_name_until_it_is_left() {
    let rig = Rig::new();
    rig.act(&json!({ "margin": { "mode": "PORTFOLIO_MARGIN" } }));
    let mut talk = Talk::open(&rig, Transport::Rest);
    let why = talk.held(DenialCode::VenueRefused).and_then(|hold| hold.detail.clone()).unwrap();
    assert!(why.contains("portfolio margin"), "{why}");
    rig.act(&json!({ "margin": { "mode": "REGULAR_MARGIN" } }));
    rig.act(&json!({ "drop": "private" }));
    talk.until("the end of the hold", |talk| talk.held(DenialCode::VenueRefused).is_none());
}

#[test]
fn a_refusal_that_hints_at_other_rules_has_them_read_at_once() {
    let rig = Rig::new();
    let mut talk = Talk::open(&rig, Transport::Rest);
    rig.act(&json!({ "status": { "symbol": "BTCUSDT", "status": "Delivering" } }));
    let refused = talk.buy(&rig, ONE_LOT);
    talk.until("the refusal", |talk| talk.has(refused, |n| matches!(n, OrderNews::Rejected(_))));
    talk.until("its rules", |talk| {
        let halted = |e: &Event| matches!(e, Event::Market(Symbol(0), MarketData::Rules(rules)) if rules.status == InstrumentStatus::Halted);
        talk.events.iter().any(halted)
    });
}

#[test]
fn hedge_mode_that_was_switched_off_holds_no_longer() {
    let rig = Rig::new();
    rig.act(&json!({ "hedge": { "symbol": "BTCUSDT", "on": true } }));
    let mut talk = Talk::open(&rig, Transport::Rest);
    talk.until("the hold", |talk| talk.held(DenialCode::PositionModeHedge).is_some());
    rig.act(&json!({ "hedge": { "symbol": "BTCUSDT", "on": false } }));
    talk.statement();
    talk.until("its end", |talk| talk.held(DenialCode::PositionModeHedge).is_none());
}

#[test]
fn a_key_that_may_only_read_stays_held_when_the_stream_comes_up() {
    let rig = Rig::new();
    rig.faults(&json!({ "read_only_key": true }));
    let mut talk = Talk::open(&rig, Transport::Rest);
    assert!(talk.held(DenialCode::VenueKeyRefused).is_some());
    rig.act(&json!({ "drop": "private" }));
    talk.until("the outage", |talk| talk.held(DenialCode::VenueUnreachable).is_some());
    talk.until("the account again", |talk| talk.held(DenialCode::VenueUnreachable).is_none());
    assert!(
        talk.held(DenialCode::VenueKeyRefused).is_some_and(|hold| hold.detail.as_ref().unwrap().contains("only read"))
    );
    // The person allowed more meanwhile: read anew with the next connection.
    rig.faults(&json!({ "read_only_key": false }));
    rig.act(&json!({ "drop": "private" }));
    talk.until("the key", |talk| talk.held(DenialCode::VenueKeyRefused).is_none());
}

#[test]
fn a_ban_that_was_renewed_is_not_lifted() {
    let rig = Rig::new();
    let later = Arc::new(AtomicI64::new(0));
    let clock = {
        let later = later.clone();
        Arc::new(move || wall() + Span(later.load(Ordering::SeqCst)))
    };
    let mut talk = Talk::new(rig.venue_at(Transport::Rest, SECRET, clock));
    talk.until("the account", |talk| talk.events.iter().any(is_lift));
    rig.faults(&json!({ "banned": true }));
    talk.venue.ask(wall());
    talk.until("the ban", |talk| talk.held(DenialCode::VenueBanned).is_some());
    let first = talk.held(DenialCode::VenueBanned).cloned();
    // Somebody else on this address was refused five minutes later; then the first ban is over.
    rig.limits.lock().unwrap().ban(wall() + Span::from_secs(300));
    later.store(Span::from_secs(610).0, Ordering::SeqCst);
    talk.venue.ask(wall());
    talk.until("the new ban", |talk| talk.held(DenialCode::VenueBanned) != first.as_ref());
    let lifted =
        |e: &Event| matches!(e, Event::Hold(hold) if hold.code == DenialCode::VenueBanned && hold.detail.is_none());
    assert_eq!(place(&talk.events, lifted), None);
}
