"""Benchmarks. Each measures a comparable tool in the same run."""
