"""What several studies of this folder share."""
