"""The sources: a tracking server, its database, a file store, a backup archive."""
