//! The table against the contract, written out a second time.

use super::*;

const ORDERS: [Op; 2] = [Op::Create, Op::Cancel];

/// The contract's table as it is written there, for a create: one line per action, written out a second time.
const FOR_CREATE: &[(Action, &[i64])] = &[
    (Action::Ok, &[0]),
    (Action::Wait, &[-1, 10002, 10006, 10018, 110_118, 170_005, 170_222]),
    (
        Action::Ambiguous,
        &[
            429, 10000, 10014, 10016, 10019, 10403, 10429, 20003, 20006, 40004, 110_001, 170_213, 170_143, 110_072,
            170_141, 110_079, 170_212, 170_191, 170_144, 170_001, 170_007, 170_032, 170_035, 170_146, 170_147, 170_149,
            170_150, 170_234, 170_310, 170_311, 3_400_214, 131_230, 500_000, 34040,
        ],
    ),
    (
        Action::Halt,
        &[
            10003, 10004, 10005, 10007, 10008, 10009, 10024, 110_132, 170_209, 10010, 10027, 10028, 100_028, -2015,
            33004, 110_124, 110_035, 110_080, 110_087, 30133, 30134, 30135, 30136, 170_346, 170_360,
        ],
    ),
    (
        Action::Fix,
        &[
            10001, 10017, 10029, 10404, 30208, 30209, 110_003, 110_120, 110_121, 170_192, 170_193, 170_194, 170_371,
            170_372, 30228, 110_023, 110_042, 110_066, 110_074, 110_063, 170_151, 170_157, 170_031, 110_004, 110_006,
            110_007, 110_012, 110_014, 110_044, 110_045, 110_051, 110_052, 110_053, 170_033, 170_131, 110_008, 110_010,
            170_139, 170_142, 170_190, 110_009, 110_020, 110_061, 170_810, 110_013, 110_021, 110_022, 110_031, 110_047,
            110_048, 110_085, 110_086, 110_089, 110_090, 110_011, 110_039, 110_040, 110_046, 110_131, 30256, 110_017,
            110_024, 110_028, 110_029, 110_030, 110_034, 110_049, 110_064, 110_094, 170_124, 170_130, 170_132, 170_133,
            170_134, 170_136, 170_137, 170_140, 170_148, 170_341, 170_381, 170_382, 110_057, 110_058, 110_059, 110_060,
            110_073, 110_092, 110_093, 110_095, 110_096, 110_097, 110_098, 110_099, 110_100, 110_103, 170_217, 170_218,
            181_017, 110_005, 110_018, 110_019, 110_032, 110_050, 3_400_139, 110_108, 110_109, 110_119, 110_123,
            110_125, 110_135, 110_136, 110_137, 110_077, 110_038, 110_036, 110_015, 110_076, 110_033, 110_082, 110_083,
            3_200_403,
        ],
    ),
];

#[test]
fn every_code_of_the_contract_has_its_action() {
    for (action, codes) in FOR_CREATE {
        for code in *codes {
            assert_eq!(classify(Op::Create, *code, "").action, *action, "{code}");
        }
    }
}

#[test]
fn the_table_names_each_code_once_and_no_other() {
    let mut listed: Vec<i64> = TABLE.iter().flat_map(|(codes, ..)| codes.iter().copied()).collect();
    let mut known: Vec<i64> = FOR_CREATE.iter().flat_map(|(_, codes)| codes.iter().copied()).collect();
    known.extend([110_025, 110_026, 110_027, 110_043, 20001]);
    known.retain(|code| *code != 0);
    listed.sort_unstable();
    known.sort_unstable();
    assert_eq!(listed, known);
}

#[test]
fn an_undocumented_code_is_never_a_refusal_of_an_order() {
    for code in [1, 7001, 110_999, i64::MAX, i64::MIN] {
        for op in ORDERS {
            let verdict = classify(op, code, "");
            assert_eq!((verdict.action, verdict.next), (Action::Ambiguous, Next::ReadOrder), "{op:?} {code}");
        }
        assert_eq!(classify(Op::Read, code, "").action, Action::Fix);
        assert_eq!(classify(Op::Setting, code, "").next, Next::ReadBack);
    }
}

#[test]
fn only_zero_is_success_for_an_order() {
    for (codes, ..) in TABLE {
        for op in ORDERS {
            for code in *codes {
                assert_ne!(classify(op, *code, "OK").action, Action::Ok, "{op:?} {code}");
            }
        }
    }
}

#[test]
fn not_modified_is_success_for_a_setting_only() {
    for code in [110_025, 110_026, 110_027, 110_043, 20001] {
        assert_eq!(classify(Op::Setting, code, "leverage not modified").action, Action::Ok);
        assert_eq!(classify(Op::Create, code, "").action, Action::Ambiguous);
    }
    let verdict = classify(Op::Setting, 34040, "not modified");
    assert_eq!((verdict.action, verdict.next), (Action::Ambiguous, Next::ReadBack));
    assert_eq!(classify(Op::Cancel, 34040, "not modified").next, Next::ReadOrder);
}

#[test]
fn an_order_that_is_gone_may_be_filled() {
    for code in GONE {
        for op in [Op::Cancel, Op::Create] {
            let verdict = classify(op, *code, "order not exists or too late to cancel");
            assert_eq!((verdict.action, verdict.next), (Action::Ambiguous, Next::ReadOrder));
        }
        assert_eq!(classify(Op::Read, *code, "").action, Action::Fix);
    }
}

#[test]
fn texts_decide_where_a_code_says_two_things() {
    let thin = " [a23546bb-6aa4-411f-82ad-709be7c2d914]buy: [55998000,47634000] invalid";
    assert_eq!(classify(Op::Create, 10001, thin).action, Action::Wait);
    assert_eq!(classify(Op::Create, 10001, "position idx not match position mode").action, Action::Fix);
    let sessions = classify(Op::Create, 10003, "Too many sessions under the same UID.");
    assert_eq!((sessions.action, sessions.next), (Action::Wait, Next::CloseSockets));
    assert_eq!(classify(Op::Create, 10003, "API key is invalid.").action, Action::Halt);
}

#[test]
fn a_rate_limit_inside_a_batch_proves_nothing() {
    assert_eq!(classify_item(Op::Create, 10006, "").action, Action::Ambiguous);
    assert_eq!(classify_item(Op::Create, 10001, "").action, Action::Fix);
    assert_eq!(classify_item(Op::Create, 0, "").action, Action::Ok);
    assert_eq!(classify_item(Op::Cancel, 77_777, "").action, Action::Ambiguous);
}

#[test]
fn no_http_status_is_proof_for_an_order() {
    for status in [400, 401, 403, 404, 405, 408, 429, 500, 502, 503, 504, 200, 302] {
        for op in ORDERS {
            assert_eq!(classify_http(op, status).action, Action::Ambiguous, "{op:?} {status}");
        }
    }
    assert_eq!(classify_http(Op::Create, 403).next, Next::Silence);
    assert_eq!(classify_http(Op::Create, 502).next, Next::ReadOrder);
    assert_eq!(classify_http(Op::Read, 403).next, Next::Silence);
    assert_eq!(classify_http(Op::Read, 401).action, Action::Halt);
    assert_eq!(classify_http(Op::Setting, 500).next, Next::ReadBack);
}

#[test]
fn reads_may_be_repeated_where_the_exchange_was_busy() {
    for code in [429, 10000, 10006, 10016, 3_400_214] {
        assert_eq!(classify(Op::Read, code, "").action, Action::Wait);
    }
}
