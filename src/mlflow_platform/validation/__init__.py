"""Compares the predictions of an endpoint with the truth."""
