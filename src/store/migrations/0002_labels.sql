-- When and why a verdict was revised, and where its beep began.
ALTER TABLE calls ADD COLUMN revised_at INTEGER;
ALTER TABLE calls ADD COLUMN revised_cause TEXT NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN beep_started_at INTEGER;

-- Who really answered, in a person's word. The latest word on an attempt counts; the others are kept.
CREATE TABLE labels (
    sequence    INTEGER PRIMARY KEY,
    attempt     TEXT    NOT NULL REFERENCES attempts (id),
    label       TEXT    NOT NULL CHECK (label IN (
                    'human', 'machine', 'fax', 'tone', 'screening', 'ivr', 'music', 'silence', 'other')),
    labelled_by TEXT    NOT NULL,
    at          INTEGER NOT NULL
) STRICT;

CREATE INDEX labels_attempt ON labels (attempt);

CREATE VIEW latest_labels AS
    SELECT attempt, label, labelled_by, at FROM labels AS l
    WHERE sequence = (SELECT max(sequence) FROM labels WHERE attempt = l.attempt);
