"""Sweeps: a search for parameters as one parent run and a child run for each trial."""
