"""Labs in clusters: start one, prove one. Beside the portal the only package that knows the grader and the clusters."""
