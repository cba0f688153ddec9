"""What every page shares: its frame, headers, forms' tokens and errors."""
