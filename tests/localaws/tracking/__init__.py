"""Tracking servers, the gateway in front of them, UI sessions, model registration."""
