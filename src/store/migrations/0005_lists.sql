-- What a contact brings along for the order of dialing: the list it came with, the zones where its phone may ring (0: not
-- known), its place within its list, the numbers to try after the first (E.164, blanks between), and which of them is next.
ALTER TABLE contacts ADD COLUMN list INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN zone INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN further TEXT NOT NULL DEFAULT '';
ALTER TABLE contacts ADD COLUMN phone INTEGER NOT NULL DEFAULT 0;
-- Attempts that another dialer made before the contact came to us, by outcome: a JSON object, or nothing.
ALTER TABLE contacts ADD COLUMN earlier TEXT NOT NULL DEFAULT '';
-- A call that somebody was promised, and by whom.
ALTER TABLE contacts ADD COLUMN callback_at INTEGER;
ALTER TABLE contacts ADD COLUMN callback_agent TEXT NOT NULL DEFAULT '';

-- The files that have been imported: one that has not changed since is not read again.
CREATE TABLE lists (
    id          INTEGER PRIMARY KEY,
    kind        TEXT    NOT NULL CHECK (kind IN ('contacts', 'do_not_call')),
    campaign    TEXT    NOT NULL,            -- empty for a do-not-call list, which holds for all
    source      TEXT    NOT NULL,            -- the file
    size        INTEGER NOT NULL DEFAULT 0,  -- bytes
    modified_at INTEGER NOT NULL DEFAULT 0,
    digest      TEXT    NOT NULL DEFAULT '', -- SHA-256
    region      TEXT    NOT NULL DEFAULT '', -- how numbers without a + were read
    rows        INTEGER NOT NULL DEFAULT 0,
    refused     INTEGER NOT NULL DEFAULT 0,
    imported_at INTEGER,                     -- NULL until it is whole
    UNIQUE (kind, campaign, source)
) STRICT;

-- A claim reads one lane (a list's contacts of one zone) from here: fresh ones, whose next attempt is at 0, by priority,
-- then those that wait for another attempt by its time.
DROP INDEX contacts_due;
CREATE INDEX contacts_lane ON contacts (campaign, state, list, zone, next_attempt_at, priority);
CREATE INDEX contacts_callback ON contacts (campaign, callback_at) WHERE callback_at IS NOT NULL;
-- A number is looked for in all campaigns by their names.
DROP INDEX contacts_number;

/*+ CREATE VIEW contact_counts AS
    SELECT campaign, state, list, zone, count(*) AS contacts FROM contacts GROUP BY campaign, state, list, zone; */

-- Files only.
-- How many contacts are where: counting a million at every claim would cost more than the claim.
CREATE TABLE contact_counts (
    campaign TEXT    NOT NULL,
    state    TEXT    NOT NULL,
    list     INTEGER NOT NULL,
    zone     INTEGER NOT NULL,
    contacts INTEGER NOT NULL,
    PRIMARY KEY (campaign, state, list, zone)
) STRICT, WITHOUT ROWID;

INSERT INTO contact_counts SELECT campaign, state, list, zone, count(*) FROM contacts GROUP BY 1, 2, 3, 4;

CREATE TRIGGER contact_added AFTER INSERT ON contacts BEGIN
    INSERT INTO contact_counts VALUES (NEW.campaign, NEW.state, NEW.list, NEW.zone, 1)
        ON CONFLICT (campaign, state, list, zone) DO UPDATE SET contacts = contacts + 1;
END;

CREATE TRIGGER contact_moved AFTER UPDATE OF campaign, state, list, zone ON contacts
WHEN (OLD.state, OLD.list, OLD.zone, OLD.campaign) <> (NEW.state, NEW.list, NEW.zone, NEW.campaign) BEGIN
    UPDATE contact_counts SET contacts = contacts - 1
        WHERE campaign = OLD.campaign AND state = OLD.state AND list = OLD.list AND zone = OLD.zone;
    INSERT INTO contact_counts VALUES (NEW.campaign, NEW.state, NEW.list, NEW.zone, 1)
        ON CONFLICT (campaign, state, list, zone) DO UPDATE SET contacts = contacts + 1;
END;

CREATE TRIGGER contact_removed AFTER DELETE ON contacts BEGIN
    UPDATE contact_counts SET contacts = contacts - 1
        WHERE campaign = OLD.campaign AND state = OLD.state AND list = OLD.list AND zone = OLD.zone;
END;
-- Both.

-- Numbers of people who asked to be forgotten, as keyed hashes: enough never to dial them again, and nothing else. The key
-- is not in the database.
CREATE TABLE erasures (
    hash TEXT    PRIMARY KEY,
    at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
