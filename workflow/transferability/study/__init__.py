"""A study: its settings, its networks, its files."""
