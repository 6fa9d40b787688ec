"""What every package stands on: errors, files, the cache's folder, processors."""
