"""Monitors served models: captured requests, their truth, quality and drift."""
