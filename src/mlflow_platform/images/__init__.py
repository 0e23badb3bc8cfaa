"""Serving images: what one is built from, its tag, and how it gets into the environment's repository."""
