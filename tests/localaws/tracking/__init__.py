"""Tests of tracking servers, their gateway, UI sessions and model registration."""
