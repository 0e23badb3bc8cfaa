"""Cleaning up: finds what an environment no longer needs, says why it keeps the rest, and deletes it."""
