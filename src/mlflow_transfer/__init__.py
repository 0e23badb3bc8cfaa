"""Moves the contents of tracking servers: between servers, from databases and file stores, and to and from archives."""
