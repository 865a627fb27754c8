-- How long sessions that run were silent and at work, by a clock that stands still while the machine sleeps: for the next engine.
CREATE TABLE worked (
    session   INTEGER PRIMARY KEY,
    silent_ms INTEGER NOT NULL,
    work_ms   INTEGER NOT NULL,
    output    INTEGER NOT NULL
) STRICT;
