"""The labs as a student reads them."""
