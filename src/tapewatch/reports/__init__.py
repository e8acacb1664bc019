"""Reports: content, and one file a format."""
