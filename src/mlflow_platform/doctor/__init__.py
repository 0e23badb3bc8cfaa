"""Checks whether a deployed environment works, and says how to repair what does not."""
