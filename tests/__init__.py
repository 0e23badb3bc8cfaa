"""Tests, as packages: a folder named tests/localaws on the import path would hide the package `localaws`."""
