"""Files on the disk, and locks that let one process write at a time."""
