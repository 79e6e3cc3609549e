"""What a study leaves of itself, for people and other programs."""
