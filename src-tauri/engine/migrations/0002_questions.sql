-- What agents ask their person; one row a question, like the rest of the fleet.
CREATE TABLE question (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
