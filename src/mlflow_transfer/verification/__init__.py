"""Compares two sides: `verifier.Verifier` runs one comparer for each kind of object and fills a `report.Report`."""
