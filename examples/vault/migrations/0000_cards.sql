CREATE TABLE cards (
  id TEXT PRIMARY KEY NOT NULL,
  owner TEXT NOT NULL,
  number BLOB NOT NULL,
  number_index TEXT NOT NULL
);
CREATE INDEX cards_by_number ON cards (number_index);
