"""What lies on the disk, and who may write there."""
