-- What each decision to dial rested on: packs of rules, zones, the callee's clock, counts, consent. `caps` is for the last
-- gate before the telephone: a JSON array of [most, since] pairs, counted once more as the INVITE is committed.
CREATE TABLE decisions (
    attempt  TEXT PRIMARY KEY,
    decision TEXT NOT NULL,
    caps     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Caps and rests belong to a number, whatever the list.
CREATE INDEX attempts_number ON attempts (number, started_at);

-- Opt-outs that reach one campaign (`campaign:NAME`) or one purpose (`purpose:WORD`) only.
CREATE TABLE scoped_suppressions (
    number TEXT    NOT NULL,
    reach  TEXT    NOT NULL,
    source TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (number, reach)
) STRICT, WITHOUT ROWID;
