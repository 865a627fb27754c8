-- Logs of agents' sessions that were imported whole. A session is known by its agent and the agent's own id; a native id of a step
-- comes once in each.
CREATE TABLE log (
    id      INTEGER PRIMARY KEY,
    agent   TEXT NOT NULL,
    native  TEXT NOT NULL,
    file    TEXT NOT NULL,
    cwd     TEXT NOT NULL,
    title   TEXT NOT NULL,
    began   INTEGER,
    written INTEGER NOT NULL,
    -- How long the file was when it was read, to know one that did not change; -1 as long as not all of it is stored.
    bytes   INTEGER NOT NULL,
    steps   INTEGER NOT NULL,
    unread  INTEGER NOT NULL,
    damaged INTEGER NOT NULL,
    UNIQUE (agent, native)
) STRICT;
CREATE TABLE log_step (
    id      INTEGER PRIMARY KEY,
    log     INTEGER NOT NULL REFERENCES log (id),
    ordinal INTEGER NOT NULL,
    native  TEXT NOT NULL,
    at      INTEGER,
    kind    TEXT NOT NULL,
    tool    TEXT,
    failed  INTEGER NOT NULL,
    -- Beginning of a hash of the body, to know one that did not change.
    mark    INTEGER NOT NULL,
    -- JSON, packed by zstd if its first byte is no brace.
    body    BLOB NOT NULL,
    UNIQUE (log, native)
) STRICT;
CREATE UNIQUE INDEX log_step_place ON log_step (log, ordinal);
CREATE INDEX log_step_spent ON log_step (kind, at) WHERE kind IN ('tokens', 'cost');

-- The words of steps, to find them by: those of imported logs by their id, those of our own sessions by session * 2^24 + ordinal.
CREATE VIRTUAL TABLE log_words USING fts5 (text, content = '', contentless_delete = 1, tokenize = "unicode61 tokenchars '_'");
CREATE VIRTUAL TABLE step_words USING fts5 (text, content = '', contentless_delete = 1, tokenize = "unicode61 tokenchars '_'");
INSERT INTO step_words (rowid, text)
    SELECT session * 16777216 + ordinal,
        substr(coalesce(json_extract(body, '$.text'), json_extract(body, '$.tool') || ' ' || json_extract(body, '$.says')), 1, 65536)
    FROM step WHERE kind IN ('prompt', 'message', 'reasoning', 'call', 'result', 'error') AND json_valid(body);
