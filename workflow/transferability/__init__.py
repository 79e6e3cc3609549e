"""Measure, layer by layer, how transferable the features of a deep network are."""

__version__ = "0.1.0"
