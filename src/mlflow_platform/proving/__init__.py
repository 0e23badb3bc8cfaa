"""Proves on a real account what localaws cannot prove: applies a throw-away environment, checks it, destroys it."""
