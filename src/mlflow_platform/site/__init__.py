"""The documentation as a website: its pages, their links, its navigation."""
