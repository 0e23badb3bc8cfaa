"""Comparison of runs: a table, charts, CSV and HTML."""
