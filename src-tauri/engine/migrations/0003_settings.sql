-- What a person chose for all projects; one row, like the rest of the fleet.
CREATE TABLE setting (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
