-- What agents ran by way of the quiet wrapper: facts of figures, and no part of history.
CREATE TABLE quiet (
    id      INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    command TEXT NOT NULL,
    exit    INTEGER,
    ms      INTEGER NOT NULL,
    whole   INTEGER NOT NULL,
    shown   INTEGER NOT NULL
) STRICT;
-- The wrapper numbers what it runs in a session, so that what is told twice is one.
CREATE UNIQUE INDEX quiet_number ON quiet (session, number);
