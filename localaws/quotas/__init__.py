"""Limits that AWS enforces and moto does not: sizes of policies, numbers and characters of tags, lengths of names."""
