"""Score a lab from the state of a cluster. Reads, never writes."""
