-- What is known of items before runs carry them: drafts, refinements, gates that were overridden; one row a card.
CREATE TABLE card (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
