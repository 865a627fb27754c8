-- Which files a log was read from, each as it was then: one session may have several, and the older ones undo nothing.
CREATE TABLE log_file (
    file    TEXT NOT NULL,
    native  TEXT NOT NULL,
    log     INTEGER NOT NULL REFERENCES log (id),
    bytes   INTEGER NOT NULL,
    written INTEGER NOT NULL,
    PRIMARY KEY (file, native)
) STRICT, WITHOUT ROWID;
INSERT INTO log_file (file, native, log, bytes, written) SELECT file, native, id, bytes, written FROM log;

-- The agent's own id of the session that it worked for, if it was a part of one.
ALTER TABLE log ADD COLUMN parent TEXT;

-- What bodies of steps were packed with; each says in its head with which.
CREATE TABLE dictionary (
    id   INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

-- From here on the id of a step begins with its hour, so that the newest stand last, whenever they were stored; and its native id is the beginning
-- of a hash, behind a '#'. Older rows have small ids, and come after all others.
