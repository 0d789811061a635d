-- Calls that may be up: what ends them when the engine that made them has died. `dialog` is the SIP layer's own text.
CREATE TABLE dialogs (
    call_id TEXT PRIMARY KEY,
    attempt TEXT NOT NULL,
    trunk   TEXT NOT NULL,
    dialog  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
