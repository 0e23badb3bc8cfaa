"""Moves what a tracking server holds: between servers, out of databases and folders, into archives and back."""
