"""A study's results as one file to give away, and such a file opened elsewhere.

A zip archive with one folder, named like the study: an RO-Crate, whose ro-crate-metadata.json says
of each file what it is, how large, and its sha256 (researchobject.org/ro-crate).
"""
