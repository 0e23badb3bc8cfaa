"""The example ML project: what is trained, on what, and what is logged of it."""
