"""Who may enter, as whom, and what they did."""
