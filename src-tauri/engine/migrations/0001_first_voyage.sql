-- Everything Pilothouse knows. Migrations are only ever added.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- History: one row per transition, with who, why and evidence in its body.
CREATE TABLE event (
    seq     INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    who     TEXT NOT NULL,
    project INTEGER,
    run     INTEGER,
    body    TEXT NOT NULL
) STRICT;
CREATE INDEX event_of_run ON event (run, seq) WHERE run IS NOT NULL;

-- The outbox: what is to be done, each with a number that is given once. A row without an outcome is done (again)
-- when the engine starts.
CREATE TABLE effect (
    key     INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    body    TEXT NOT NULL,
    outcome TEXT,
    done_at INTEGER
) STRICT;
CREATE INDEX effect_pending ON effect (key) WHERE outcome IS NULL;

-- The fleet as the fold has it, one row a thing; written in the same transaction as the events that moved it.
CREATE TABLE project  (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE item     (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE run      (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE attempt  (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE session  (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE worktree (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE pull     (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE evidence (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;

-- What agents said and did, from their own session logs. A native id comes once per session: a step that is read
-- again replaces itself.
CREATE TABLE trajectory (
    session INTEGER PRIMARY KEY,
    file    TEXT NOT NULL,
    read_to INTEGER NOT NULL,
    damaged INTEGER NOT NULL DEFAULT 0,
    whole   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE step (
    session INTEGER NOT NULL REFERENCES trajectory (session),
    ordinal INTEGER NOT NULL,
    native  TEXT NOT NULL,
    at      INTEGER,
    kind    TEXT NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (session, ordinal)
) STRICT;
CREATE UNIQUE INDEX step_native ON step (session, native);
