"""Lab sessions: what a student asked for, what there is, and the reconciler that brings the two together."""
