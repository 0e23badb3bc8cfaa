"""What can be read: a tracking server, its database, a file store, a backup archive."""
