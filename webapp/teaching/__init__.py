"""What an instructor sees of a class."""
