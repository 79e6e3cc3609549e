"""Describes the tables in sentences."""
