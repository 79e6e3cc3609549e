"""Computes effects with intervals from trained networks."""
