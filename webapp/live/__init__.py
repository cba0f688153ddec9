"""What viewers of a running session see: watches shared by all of them, turned into reports and pictures."""
