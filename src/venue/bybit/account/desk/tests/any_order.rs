//! Whatever is lost, repeated, late or in another order: the same truth.

use super::*;

use proptest::prelude::*;

/// What really happens to an order at the exchange.
#[derive(Clone, Debug)]
struct Truth {
    units: i64,
    fills: Vec<i64>,
    exists: bool,
    rejected: bool,
}

impl Truth {
    fn filled(&self) -> i64 {
        self.fills.iter().sum()
    }
    fn status(&self) -> OrderStatus {
        if self.filled() == self.units {
            OrderStatus::Filled
        } else if self.rejected && self.fills.is_empty() {
            OrderStatus::Rejected
        } else {
            OrderStatus::Cancelled
        }
    }
    fn expected(&self) -> OrderState {
        match self.status() {
            _ if !self.exists => OrderState::Rejected,
            OrderStatus::Filled => OrderState::Filled,
            OrderStatus::Rejected => OrderState::Rejected,
            _ => OrderState::Cancelled,
        }
    }
    fn executions(&self, seq: u64) -> Vec<ExecutionRow> {
        let rows = self.fills.iter().enumerate();
        rows.map(|(place, units)| execution(Some(seq), &format!("e{seq}-{place}"), *units, ExecKind::Trade)).collect()
    }
    fn rows(&self, seq: u64) -> Vec<OrderRow> {
        let mut rows = vec![row(seq, self.units, OrderStatus::New, 0)];
        let mut filled = 0;
        for units in &self.fills {
            filled += units;
            rows.push(row(seq, self.units, OrderStatus::PartiallyFilled, filled));
        }
        rows.push(row(seq, self.units, self.status(), filled));
        rows
    }
}

#[derive(Clone, Debug)]
enum Push {
    Order(OrderRow),
    Execution(ExecutionRow),
    Answer(u64, bool),
    Cancel(u64),
}

fn truth() -> impl Strategy<Value = Truth> {
    (1_i64..6, proptest::collection::vec(1_i64..3, 0..4), 0_u8..8, any::<bool>()).prop_map(
        |(units, mut fills, fate, rejected)| {
            let exists = fate > 0;
            let mut room = units;
            fills.retain(|fill| {
                let fits = exists && *fill <= room;
                room -= if fits { *fill } else { 0 };
                fits
            });
            Truth { units, fills, exists, rejected }
        },
    )
}

/// Everything the exchange sends, each piece lost, sent once or twice, in any order.
fn pushes(truths: &[Truth], fates: &[u8], places: &[u16]) -> Vec<Push> {
    let mut all = Vec::new();
    for (seq, truth) in (1_u64..).zip(truths) {
        if truth.exists {
            all.extend(truth.rows(seq).into_iter().map(Push::Order));
            let executions = truth.executions(seq);
            // Told again under another id.
            let again =
                executions.iter().map(|row| ExecutionRow { exec_id: format!("{}-again", row.exec_id), ..row.clone() });
            all.extend(again.map(Push::Execution));
            all.extend(executions.into_iter().map(Push::Execution));
        }
        all.push(Push::Cancel(seq));
    }
    let mut sent: Vec<(u16, Push)> = Vec::new();
    for (place, push) in all.into_iter().enumerate() {
        let fate = fates[place % fates.len()] % 4;
        let at = |nth: usize| places[(place * 7 + nth) % places.len()];
        (0..fate.min(2)).for_each(|nth| sent.push((at(usize::from(nth)), push.clone())));
    }
    for (seq, truth) in (1_u64..).zip(truths) {
        // An answer to the create comes once or never; never is silence, which the edge reports as unclear.
        let clear = truth.exists && fates[seq as usize % fates.len()].is_multiple_of(2);
        sent.push((places[seq as usize % places.len()], Push::Answer(seq, clear)));
    }
    sent.sort_by_key(|(place, _)| *place);
    sent.into_iter().map(|(_, push)| push).collect()
}

/// The engine's view, and how often each order was sent.
struct Watch {
    orders: BTreeMap<u64, Order>,
    creates: BTreeMap<OrderSeq, u32>,
}

impl Watch {
    /// Books events as the engine does; no end may come before its fills.
    fn take(&mut self, at: Ts, desk: &mut Desk, truths: &[Truth]) -> Result<Vec<Request>, TestCaseError> {
        for event in desk.take_events() {
            let Event::Order(update) = event else { continue };
            let order = self.orders.get_mut(&update.order.0).unwrap();
            order.apply(at, &update.what);
            if matches!(update.what, OrderNews::Cancelled(_)) {
                prop_assert_eq!(
                    order.filled,
                    qty(truths[update.order.0 as usize - 1].filled()),
                    "an end before its fills"
                );
            }
        }
        let requests = desk.take_requests();
        for request in &requests {
            if let Request::Create { order, .. } = request {
                *self.creates.entry(*order).or_default() += 1;
            }
        }
        Ok(requests)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// Whatever is lost, repeated, late or in another order: the engine ends up with the exchange's truth, and nothing
    /// is sent twice.
    #[test]
    fn any_news_ends_in_the_same_truth(
        truths in proptest::collection::vec(truth(), 1..4),
        fates in proptest::collection::vec(any::<u8>(), 8..40),
        places in proptest::collection::vec(any::<u16>(), 16..64),
        lags in 0_usize..4,
    ) {
        let mut desk = desk();
        desk.open(T, &reading(&desk, T, vec![], vec![]), &[]);
        let mut watch = Watch { orders: BTreeMap::new(), creates: BTreeMap::new() };
        for (seq, truth) in (1_u64..).zip(&truths) {
            let intent = intent(seq, truth.units);
            watch.orders.insert(seq, Order::new(intent));
            desk.submit(T, intent, &link(seq));
        }
        let mut now = T;
        watch.take(now, &mut desk, &truths)?;
        for push in pushes(&truths, &fates, &places) {
            now = now + Span::from_ms(10);
            match push {
                Push::Order(row) => desk.on_order(now, &row),
                Push::Execution(row) => desk.on_execution(now, &row),
                Push::Answer(seq, true) => desk.on_created(now, OrderSeq(seq), Answer::Accepted),
                Push::Answer(seq, false) => desk.on_created(now, OrderSeq(seq), Answer::Unclear("silence".into())),
                Push::Cancel(seq) => {
                    desk.cancel(OrderSeq(seq));
                    desk.on_cancelled(now, OrderSeq(seq), Answer::Unclear("too late".into()));
                }
            }
            watch.take(now, &mut desk, &truths)?;
        }
        // Statements that list nothing, and look-ups that at first fail or show nothing.
        for _ in 0..2 {
            now = now + Span::from_secs(3);
            let empty = reading(&desk, now, vec![], vec![]);
            desk.take_reading(now, &empty);
        }
        let mut looks = 0;
        while let Some(due) = desk.next_due() {
            prop_assert!(looks < 300, "it is asked for ever");
            now = now.max(due);
            desk.tick(now);
            for request in watch.take(now, &mut desk, &truths)? {
                let Request::LookUp { order, .. } = request else { continue };
                looks += 1;
                let truth = &truths[order.0 as usize - 1];
                let (executions, found) = if looks <= lags {
                    (vec![], if looks % 2 == 0 { Found::Nothing } else { Found::Unknown })
                } else if truth.exists {
                    (truth.executions(order.0), Found::Row(Box::new(truth.rows(order.0).pop().unwrap())))
                } else {
                    (vec![], Found::Nothing)
                };
                desk.on_looked_up(now, order, &executions, &found);
            }
        }
        watch.take(now, &mut desk, &truths)?;
        for (seq, truth) in (1_u64..).zip(&truths) {
            let order = &watch.orders[&seq];
            prop_assert_eq!(order.filled, qty(truth.filled()), "fills of {}", seq);
            prop_assert_eq!(order.state, truth.expected(), "end of {}", seq);
            prop_assert_eq!(watch.creates.get(&OrderSeq(seq)).copied(), Some(1));
        }
    }
}
