-- Several nodes on one database. A node is its token: a larger one with every new beginning, so that what an old one still
-- wants to write is told from what its successor does. On a SQLite file there is one engine and no node; its token is 0.

CREATE TABLE nodes (
    token       INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    lease_until INTEGER NOT NULL
) STRICT;

-- What each node is offered of each cap and what it holds of it: calls at once, and calls in a thousand seconds.
CREATE TABLE shares (
    scope         TEXT    NOT NULL,
    token         INTEGER NOT NULL REFERENCES nodes (token) ON DELETE CASCADE,
    lines_offered INTEGER NOT NULL DEFAULT 0,
    lines_held    INTEGER NOT NULL,
    calls_offered INTEGER NOT NULL DEFAULT 0,
    calls_held    INTEGER NOT NULL,
    PRIMARY KEY (scope, token)
) STRICT, WITHOUT ROWID;

-- Who divides a cap among the nodes.
CREATE TABLE leaders (
    scope TEXT    PRIMARY KEY,
    token INTEGER NOT NULL,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who has claimed a contact, or has its attempt in flight.
ALTER TABLE contacts ADD COLUMN holder INTEGER NOT NULL DEFAULT 0;

-- Who has made a call, and ends it.
ALTER TABLE dialogs ADD COLUMN holder INTEGER NOT NULL DEFAULT 0;

/*+ ALTER TABLE suppressions ADD COLUMN sequence BIGINT GENERATED ALWAYS AS IDENTITY;
CREATE INDEX suppressions_sequence ON suppressions (sequence); */
