-- Times are milliseconds since the Unix epoch, UTC. States, dispositions and ids are the words of `record`.

CREATE TABLE campaigns (
    name  TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('draft', 'running', 'paused', 'stopped', 'completed'))
) STRICT, WITHOUT ROWID;

CREATE TABLE contacts (
    id              INTEGER PRIMARY KEY,
    campaign        TEXT    NOT NULL REFERENCES campaigns (name),
    number          TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    comment         TEXT    NOT NULL,
    attributes      TEXT    NOT NULL,            -- a JSON object: header to cell
    state           TEXT    NOT NULL CHECK (state IN ('pending', 'claimed', 'in_flight', 'done', 'suppressed')),
    next_attempt_at INTEGER NOT NULL,            -- 0: at once
    attempt         TEXT,                        -- the attempt in flight
    last_reason     TEXT    NOT NULL DEFAULT '', -- why it was last not dialed, one word
    UNIQUE (campaign, number),
    CHECK ((state = 'in_flight') = (attempt IS NOT NULL))
) STRICT;

-- A refill reads due contacts straight from this index, the longest due first.
CREATE INDEX contacts_due ON contacts (campaign, state, next_attempt_at);

-- A suppressed number is looked for in all campaigns.
CREATE INDEX contacts_number ON contacts (number);

CREATE TABLE attempts (
    sequence   INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    contact    INTEGER NOT NULL REFERENCES contacts (id),
    campaign   TEXT    NOT NULL,
    number     TEXT    NOT NULL,
    started_at INTEGER NOT NULL
) STRICT;

CREATE TABLE invites (
    call_id   TEXT    PRIMARY KEY,
    attempt   TEXT    NOT NULL REFERENCES attempts (id),
    caller_id TEXT    NOT NULL,
    trunk     TEXT    NOT NULL,
    at        INTEGER NOT NULL
) STRICT;

CREATE INDEX invites_attempt ON invites (attempt);

-- UNIQUE (attempt) is the promise of exactly one call record for each attempt.
CREATE TABLE calls (
    sequence          INTEGER PRIMARY KEY,
    attempt           TEXT    NOT NULL UNIQUE REFERENCES attempts (id),
    contact           INTEGER NOT NULL REFERENCES contacts (id),
    campaign          TEXT    NOT NULL,
    number            TEXT    NOT NULL,
    caller_id         TEXT    NOT NULL,
    trunk             TEXT    NOT NULL,
    call_id           TEXT    NOT NULL,
    disposition       TEXT    NOT NULL,
    dialed_at         INTEGER NOT NULL,
    trying_at         INTEGER,
    ringing_at        INTEGER,
    early_media_at    INTEGER,
    answered_at       INTEGER,
    first_media_at    INTEGER,
    greeting_end_at   INTEGER,
    verdict_at        INTEGER,
    beep_at           INTEGER,
    drop_started_at   INTEGER,
    drop_ended_at     INTEGER,
    agent_dialed_at   INTEGER,
    agent_answered_at INTEGER,
    bridged_at        INTEGER,
    ended_at          INTEGER NOT NULL,
    ended_by          TEXT    NOT NULL CHECK (ended_by IN ('us', 'callee', 'agent', 'unknown')),
    sip_status        INTEGER NOT NULL,
    q850_cause        INTEGER,
    reason            TEXT    NOT NULL,
    verdict           TEXT    NOT NULL,
    verdict_cause     TEXT    NOT NULL,
    revised_verdict   TEXT    NOT NULL,
    codec             TEXT    NOT NULL,
    packets_sent      INTEGER NOT NULL,
    packets_received  INTEGER NOT NULL,
    packets_lost      INTEGER NOT NULL,
    jitter_ms         REAL,
    round_trip_ms     REAL,
    recording         TEXT    NOT NULL,
    agent             TEXT    NOT NULL,
    digits            TEXT    NOT NULL
) STRICT;

-- A contact's outcomes, for the retry rules, and a campaign's, for the counts, are read from these alone.
CREATE INDEX calls_contact ON calls (contact, disposition);
CREATE INDEX calls_campaign ON calls (campaign, disposition);

CREATE TABLE suppressions (
    number TEXT    PRIMARY KEY,
    source TEXT    NOT NULL,
    at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

/*+ ALTER TABLE invites ADD COLUMN rowid BIGINT GENERATED ALWAYS AS IDENTITY; */
