"""What the tables say, in words."""
