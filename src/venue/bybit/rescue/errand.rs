//! What a person has closed or cancelled in an instrument outside the run: the same procedure, for that alone.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::close::PROOFS;
use super::{ROUND_PAUSE, Receipt, Rescue, Whose};
use crate::engine::effect::Errand;

/// An errand that takes longer is given up: whoever asked looks, and asks again.
const WITHIN: Duration = Duration::from_secs(60);

impl Rescue {
    /// Does it and says whether the venue shows that it is done.
    pub async fn run_errand(&self, errand: &Errand, receipt: &mut Receipt) -> bool {
        match errand {
            Errand::Close(name) => {
                let ending = self.close(&Whose::Instrument(name.clone()), WITHIN, receipt).await;
                ending.flat.is_some() && ending.left.is_empty()
            }
            Errand::Cancel { name, order } => self.cancel_one(name, order, receipt).await,
        }
    }

    /// Cancels one order until two lists in a row do not show it.
    async fn cancel_one(&self, name: &str, order: &str, receipt: &mut Receipt) -> bool {
        let (began, mut asked, mut gone) = (Instant::now(), BTreeMap::new(), 0);
        receipt.note(&format!("cancelling order {order}"));
        loop {
            match self.rest.open_orders().await {
                Ok(rows) => {
                    let unread = rows.odd.iter().any(|odd| odd.may_be_of(name));
                    match rows.good.iter().find(|row| row.order_id == order) {
                        Some(row) => {
                            gone = 0;
                            self.cancel_each(&[row], &mut asked, receipt).await;
                        }
                        None if unread => receipt.note("an order of the list cannot be read"),
                        None => gone += 1,
                    }
                    if gone == PROOFS {
                        receipt.note("the exchange does not list it any more");
                        return true;
                    }
                }
                Err(error) => self.wait_after(&error, receipt).await,
            }
            if began.elapsed() >= WITHIN {
                receipt.note("NOT DONE: it may still be open");
                return false;
            }
            tokio::time::sleep(ROUND_PAUSE).await;
        }
    }
}
