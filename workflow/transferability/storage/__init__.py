"""Files on the disk, and the permission to write them."""
