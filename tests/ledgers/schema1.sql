-- A ledger as schema 1 wrote it: its tables and triggers, and one run that left a position, a funding payment, an order
-- without a known end and a kill. `tests/ledger_audit.rs` makes the file from this text.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE runs (
    run TEXT PRIMARY KEY, env TEXT NOT NULL, started INTEGER NOT NULL, label TEXT NOT NULL, version TEXT NOT NULL,
    ended INTEGER, outcome TEXT
) STRICT;
CREATE TABLE instruments (
    symbol TEXT PRIMARY KEY, env TEXT NOT NULL, category TEXT NOT NULL, tick TEXT NOT NULL, step TEXT NOT NULL
) STRICT;
CREATE TABLE intents (
    run TEXT NOT NULL REFERENCES runs(run), seq INTEGER NOT NULL, env TEXT NOT NULL, link_id TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL, decided INTEGER NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL, qty TEXT NOT NULL,
    price TEXT NOT NULL, tif TEXT NOT NULL, reduce_only INTEGER NOT NULL, purpose TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT;
CREATE TABLE orders (
    run TEXT NOT NULL REFERENCES runs(run), seq INTEGER NOT NULL, env TEXT NOT NULL, state TEXT NOT NULL,
    filled TEXT NOT NULL, reason TEXT NOT NULL, updated INTEGER NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT;
CREATE TABLE fills (
    id INTEGER PRIMARY KEY, env TEXT NOT NULL, run TEXT NOT NULL REFERENCES runs(run), at INTEGER NOT NULL,
    exec_id TEXT NOT NULL UNIQUE, seq INTEGER, symbol TEXT NOT NULL, side TEXT NOT NULL, price TEXT NOT NULL,
    qty TEXT NOT NULL, fee TEXT NOT NULL, maker INTEGER NOT NULL, realised TEXT NOT NULL, balance TEXT NOT NULL,
    position TEXT NOT NULL, cost TEXT NOT NULL
) STRICT;
CREATE TABLE funding (
    id INTEGER PRIMARY KEY, env TEXT NOT NULL, run TEXT NOT NULL REFERENCES runs(run), at INTEGER NOT NULL,
    symbol TEXT NOT NULL, rate TEXT NOT NULL, amount TEXT NOT NULL, balance TEXT NOT NULL
) STRICT;
CREATE TABLE settlements (
    id INTEGER PRIMARY KEY, env TEXT NOT NULL, at INTEGER NOT NULL, symbol TEXT NOT NULL, kind TEXT NOT NULL,
    position TEXT NOT NULL, cost TEXT NOT NULL, price TEXT, realised TEXT NOT NULL
) STRICT;
CREATE TABLE positions (
    symbol TEXT PRIMARY KEY, env TEXT NOT NULL, position TEXT NOT NULL, cost TEXT NOT NULL, opened INTEGER NOT NULL,
    realised TEXT NOT NULL, fees TEXT NOT NULL, updated INTEGER NOT NULL
) STRICT;
CREATE TABLE balances (
    id INTEGER PRIMARY KEY, env TEXT NOT NULL, run TEXT, at INTEGER NOT NULL, cause TEXT NOT NULL,
    change TEXT NOT NULL, balance TEXT NOT NULL
) STRICT;
CREATE TABLE baselines (
    id INTEGER PRIMARY KEY CHECK (id = 1), env TEXT NOT NULL, at INTEGER NOT NULL, day_start INTEGER NOT NULL,
    day_equity TEXT NOT NULL, high_water TEXT NOT NULL, day_loss_spent INTEGER NOT NULL
) STRICT;
CREATE TABLE baseline_minutes (at INTEGER PRIMARY KEY, env TEXT NOT NULL, equity TEXT NOT NULL) STRICT;
CREATE TABLE limits (
    id INTEGER PRIMARY KEY, env TEXT NOT NULL, run TEXT NOT NULL REFERENCES runs(run), at INTEGER NOT NULL,
    key TEXT NOT NULL, old TEXT NOT NULL, new TEXT NOT NULL
) STRICT;
CREATE TABLE latches (
    id INTEGER PRIMARY KEY, env TEXT NOT NULL, run TEXT, at INTEGER NOT NULL, kind TEXT NOT NULL,
    why TEXT NOT NULL, measured TEXT NOT NULL, allowed TEXT NOT NULL
) STRICT;
CREATE TABLE releases (
    id INTEGER PRIMARY KEY, env TEXT NOT NULL, run TEXT, at INTEGER NOT NULL,
    symbol TEXT NOT NULL, released INTEGER NOT NULL
) STRICT;
CREATE TABLE operators (
    id INTEGER PRIMARY KEY, env TEXT NOT NULL, run TEXT NOT NULL REFERENCES runs(run), at INTEGER NOT NULL,
    command TEXT NOT NULL, outcome TEXT NOT NULL
) STRICT;
PRAGMA application_id = 1952738156;
PRAGMA user_version = 1;
INSERT INTO meta (key, value) VALUES ('env', 'simulated/paper');
CREATE TRIGGER intents_no_update BEFORE UPDATE ON intents
BEGIN SELECT RAISE(ABORT, 'rows of intents are never changed'); END;
CREATE TRIGGER intents_no_delete BEFORE DELETE ON intents
BEGIN SELECT RAISE(ABORT, 'rows of intents are never changed'); END;
CREATE TRIGGER fills_no_update BEFORE UPDATE ON fills
BEGIN SELECT RAISE(ABORT, 'rows of fills are never changed'); END;
CREATE TRIGGER fills_no_delete BEFORE DELETE ON fills
BEGIN SELECT RAISE(ABORT, 'rows of fills are never changed'); END;
CREATE TRIGGER funding_no_update BEFORE UPDATE ON funding
BEGIN SELECT RAISE(ABORT, 'rows of funding are never changed'); END;
CREATE TRIGGER funding_no_delete BEFORE DELETE ON funding
BEGIN SELECT RAISE(ABORT, 'rows of funding are never changed'); END;
CREATE TRIGGER settlements_no_update BEFORE UPDATE ON settlements
BEGIN SELECT RAISE(ABORT, 'rows of settlements are never changed'); END;
CREATE TRIGGER settlements_no_delete BEFORE DELETE ON settlements
BEGIN SELECT RAISE(ABORT, 'rows of settlements are never changed'); END;
CREATE TRIGGER balances_no_update BEFORE UPDATE ON balances
BEGIN SELECT RAISE(ABORT, 'rows of balances are never changed'); END;
CREATE TRIGGER balances_no_delete BEFORE DELETE ON balances
BEGIN SELECT RAISE(ABORT, 'rows of balances are never changed'); END;
CREATE TRIGGER limits_no_update BEFORE UPDATE ON limits
BEGIN SELECT RAISE(ABORT, 'rows of limits are never changed'); END;
CREATE TRIGGER limits_no_delete BEFORE DELETE ON limits
BEGIN SELECT RAISE(ABORT, 'rows of limits are never changed'); END;
CREATE TRIGGER latches_no_update BEFORE UPDATE ON latches
BEGIN SELECT RAISE(ABORT, 'rows of latches are never changed'); END;
CREATE TRIGGER latches_no_delete BEFORE DELETE ON latches
BEGIN SELECT RAISE(ABORT, 'rows of latches are never changed'); END;
CREATE TRIGGER releases_no_update BEFORE UPDATE ON releases
BEGIN SELECT RAISE(ABORT, 'rows of releases are never changed'); END;
CREATE TRIGGER releases_no_delete BEFORE DELETE ON releases
BEGIN SELECT RAISE(ABORT, 'rows of releases are never changed'); END;
CREATE TRIGGER operators_no_update BEFORE UPDATE ON operators
BEGIN SELECT RAISE(ABORT, 'rows of operators are never changed'); END;
CREATE TRIGGER operators_no_delete BEFORE DELETE ON operators
BEGIN SELECT RAISE(ABORT, 'rows of operators are never changed'); END;
INSERT INTO runs VALUES ('r1', 'simulated/paper', 1, 'weather calm', '0.1.0', NULL, NULL);
INSERT INTO instruments VALUES ('BTCUSDT', 'simulated/paper', 'linear', '0.1', '0.001');
INSERT INTO balances (env, run, at, cause, change, balance)
VALUES ('simulated/paper', 'r1', 1, 'opening', '10000', '10000'), ('simulated/paper', 'r1', 7, 'fill', '-0.055', '9999.945'),
       ('simulated/paper', 'r1', 8, 'funding', '-0.25', '9999.695');
INSERT INTO intents VALUES
    ('r1', 1, 'simulated/paper', 'tp-r1-000001', 6, 5, 'BTCUSDT', 'BUY', '1', '100', 'ioc', 0, 'entry'),
    ('r1', 2, 'simulated/paper', 'tp-r1-000002', 9, 9, 'BTCUSDT', 'SELL', '0.5', '120', 'post-only', 1, 'take-profit');
INSERT INTO orders VALUES ('r1', 1, 'simulated/paper', 'filled', '1', '', 7), ('r1', 2, 'simulated/paper', 'sent', '0', '', 9);
INSERT INTO fills (env, run, at, exec_id, seq, symbol, side, price, qty, fee, maker, realised, balance, position, cost)
VALUES ('simulated/paper', 'r1', 7, 'r1/x1', 1, 'BTCUSDT', 'BUY', '100', '1', '0.055', 0, '0', '9999.945', '1', '100');
INSERT INTO funding (env, run, at, symbol, rate, amount, balance)
VALUES ('simulated/paper', 'r1', 8, 'BTCUSDT', '0.0001', '-0.25', '9999.695');
INSERT INTO positions VALUES ('BTCUSDT', 'simulated/paper', '1', '100', 7, '0', '0.055', 7);
INSERT INTO latches (env, run, at, kind, why, measured, allowed) VALUES ('simulated/paper', 'r1', 9, 'killed', 'key ^K', '', '');
