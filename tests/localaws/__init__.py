"""Tests of the behaviour that clients of localaws rely on."""
